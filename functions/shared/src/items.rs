//! What one invalidation invalidates: paths, and objects with a cache tag.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    errors::shorten,
    path::{InvalidPath, Path},
};

/// The longest cache tag, in characters (Developer Guide, "What you need to know when invalidating tags").
const MAX_TAG_CHARACTERS: usize = 256;
/// The longest tag that an error shows, in characters.
const SHOWN_CHARACTERS: usize = 100;

/// A cache tag, without the `#` before it: all objects whose response had it in the header that the distribution's
/// `CacheTagConfig` names. CloudFront doesn't distinguish upper and lower case; this is in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CacheTag(String);

/// A string that is not a cache tag.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a cache tag: it must have 1 to 256 printable ASCII characters, without spaces and commas"
)]
pub struct InvalidCacheTag(String);

impl TryFrom<String> for CacheTag {
    type Error = InvalidCacheTag;

    fn try_from(tag: String) -> Result<Self, Self::Error> {
        let is_valid = (1..=MAX_TAG_CHARACTERS).contains(&tag.len())
            && tag.bytes().all(|b| b.is_ascii_graphic() && b != b',');
        if is_valid {
            Ok(Self(tag.to_ascii_lowercase()))
        } else {
            Err(InvalidCacheTag(shorten(&tag, SHOWN_CHARACTERS)))
        }
    }
}

/// An item of an invalidation. CloudFront's API has both kinds in one list: a path starts with `/`, a cache tag with `#`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Item {
    /// A path, with or without a wildcard.
    Path(Path),
    /// A cache tag.
    CacheTag(CacheTag),
}

/// Why CloudFront cannot invalidate an item.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub enum InvalidItem {
    /// It is not a cache tag, because it does not start with `#`, and not a valid path either.
    Path(#[from] InvalidPath),
    /// It starts with `#`, and the rest is not a cache tag.
    CacheTag(#[from] InvalidCacheTag),
}

impl TryFrom<String> for Item {
    type Error = InvalidItem;

    fn try_from(item: String) -> Result<Self, Self::Error> {
        Ok(match item.strip_prefix('#') {
            Some(tag) => Self::CacheTag(CacheTag::try_from(tag.to_owned())?),
            None => Self::Path(Path::try_from(item)?),
        })
    }
}

impl From<Item> for String {
    fn from(item: Item) -> Self {
        match item {
            Item::Path(path) => path.into(),
            Item::CacheTag(CacheTag(tag)) => format!("#{tag}"),
        }
    }
}

/// All items of an invalidation, at least one: in a stable order, without duplicates, and without paths that a wildcard among
/// them matches as well. CloudFront bills each of them as one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<Item>")]
pub struct Items(BTreeSet<Item>);

/// There is nothing to invalidate.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must not be empty")]
pub struct NoItems;

impl TryFrom<BTreeSet<Item>> for Items {
    type Error = NoItems;

    fn try_from(items: BTreeSet<Item>) -> Result<Self, Self::Error> {
        if items.is_empty() {
            Err(NoItems)
        } else {
            Ok(Self::without_duplicates(items))
        }
    }
}

impl Items {
    /// The items in their order, as CloudFront's API has them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = String> {
        self.0.iter().cloned().map(String::from)
    }

    /// The items of both, in the same order and without duplicates.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::without_duplicates(&self.0 | &other.0)
    }

    fn without_duplicates(mut items: BTreeSet<Item>) -> Self {
        let wildcards: Vec<_> = wildcards(&items).cloned().collect();
        items.retain(|item| match item {
            Item::Path(path) => !wildcards
                .iter()
                .any(|wildcard| path.is_covered_by(wildcard)),
            Item::CacheTag(_) => true,
        });
        Self(items)
    }

    /// How many items there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many of them are paths with a wildcard.
    #[must_use]
    pub fn wildcard_count(&self) -> usize {
        wildcards(&self.0).count()
    }

    /// How many of them are cache tags.
    #[must_use]
    pub fn cache_tag_count(&self) -> usize {
        let is_cache_tag = |item: &&Item| matches!(item, Item::CacheTag(_));
        self.0.iter().filter(is_cache_tag).count()
    }
}

fn wildcards(items: &BTreeSet<Item>) -> impl Iterator<Item = &Path> {
    items.iter().filter_map(|item| match item {
        Item::Path(path) => path.wildcard_prefix().map(|_| path),
        Item::CacheTag(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(list: &[&str]) -> Vec<String> {
        let items: Result<BTreeSet<_>, _> = list
            .iter()
            .map(|item| Item::try_from((*item).to_owned()))
            .collect();
        Items::try_from(items.unwrap()).unwrap().iter().collect()
    }

    #[test]
    fn duplicates_and_paths_that_a_wildcard_matches_drop_out() {
        assert_eq!(items(&["/b", "/a", "/b"]), ["/a", "/b"]);
        let covered = [
            "/images/*",
            "/images/a.png",
            "/images/",
            "/images/2026/*",
            "/images",
        ];
        assert_eq!(items(&covered), ["/images", "/images/*"]);
        assert_eq!(items(&["/index.html", "/*", "/a!*"]), ["/*"]);
        assert_eq!(
            items(&["/*", "#Product-42", "#product-42", "#a*"]),
            ["/*", "#a*", "#product-42"]
        );
        assert_eq!(Items::try_from(BTreeSet::new()), Err(NoItems));
    }

    #[test]
    fn a_cache_tag_has_1_to_256_printable_ascii_characters_and_no_comma() {
        let longest = "x".repeat(256);
        for tag in ["a", "!", "~", "*", "a#b", "##", &longest] {
            assert!(CacheTag::try_from(tag.to_owned()).is_ok(), "{tag}");
        }
        for tag in ["", "a b", "a,b", "ä", "a\n", &(longest + "x")] {
            let error = CacheTag::try_from(tag.to_owned()).unwrap_err();
            assert!(error.to_string().len() < 250, "{error}");
        }
    }

    #[test]
    fn an_item_that_is_neither_says_which_rule_it_breaks() {
        let reason = |item: &str| Item::try_from(item.to_owned()).unwrap_err().to_string();
        assert!(reason("#a b").contains("is not a cache tag"));
        assert!(reason("product-42").contains("does not start with /"));
    }
}
