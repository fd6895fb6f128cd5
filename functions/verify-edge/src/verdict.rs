//! Whether a response is older than the invalidation.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::client::Response;

/// `Age` is in whole seconds, and CloudFront's clock and the function's can differ: an object counts as older than the
/// invalidation only if it is so by more than this.
const TOLERANCE: Duration = Duration::from_secs(5);

/// What a response, or all responses of a URL together, show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "reason")]
pub enum Verdict {
    /// It is not older than the invalidation.
    Fresh,
    /// It is from before the invalidation, for this reason.
    Stale(String),
    /// It does not show whether it is, for this reason.
    NotVerified(String),
}

/// A response, or why there is none, and how old the invalidation was when it arrived.
pub type Answered = (Result<Response, String>, Duration);

/// What decides.
#[derive(Debug, Clone, Copy)]
pub enum Criterion<'a> {
    /// `Age`. If the URL's own path has been invalidated, an object that CloudFront has just fetched and that has an old `Age` got
    /// it from the origin.
    Age {
        /// Whether the URL's own path has been invalidated.
        path_was_invalidated: bool,
    },
    /// This header, whatever `Age` says.
    Header(&'a str),
}

/// What all responses of a URL together show: one that is stale is enough, unless the origin explains it.
#[must_use]
pub fn of_all(responses: &[Answered], criterion: Criterion<'_>) -> Verdict {
    if let Some(reason) = explained_by_the_origin(responses, criterion) {
        return Verdict::NotVerified(reason);
    }
    let mut verdicts: Vec<_> = responses
        .iter()
        .map(|(response, age)| match response {
            Err(problem) => Verdict::NotVerified(problem.clone()),
            Ok(response) => of(response, *age, criterion),
        })
        .collect();
    let usable = responses
        .iter()
        .filter_map(|(response, _)| response.as_ref().ok());
    let values: BTreeSet<_> = usable.filter_map(|r| r.header.as_deref()).collect();
    if values.len() > 1 {
        let values: Vec<_> = values.into_iter().collect();
        let reason = format!(
            "edge locations sent different versions: {}",
            values.join(", ")
        );
        verdicts.push(Verdict::Stale(reason));
    }
    // The first of those that count most.
    let of_kind = |is: fn(&Verdict) -> bool| verdicts.iter().find(|verdict| is(verdict));
    let stale = of_kind(|verdict| matches!(verdict, Verdict::Stale(_)));
    let counts = stale.or_else(|| of_kind(|verdict| *verdict != Verdict::Fresh));
    counts.cloned().unwrap_or(Verdict::Fresh)
}

/// What CloudFront has just fetched shows what the origin sends.
fn explained_by_the_origin(responses: &[Answered], criterion: Criterion<'_>) -> Option<String> {
    let mut misses = responses.iter().filter_map(|(response, age)| {
        let response = response.as_ref().ok()?;
        let is_a_miss = unusable(response).is_none() && is(response, "Miss");
        is_a_miss.then_some((response, *age))
    });
    match criterion {
        Criterion::Header(name) => misses
            .any(|(response, _)| response.header.is_none())
            .then(|| format!("the origin does not send the header {name}")),
        Criterion::Age {
            path_was_invalidated: true,
        } => misses.any(|(response, age)| is_older(response, age)).then(|| {
            "CloudFront has just fetched the object, and it has an old Age: the origin, or a cache in front of it, sends Age itself. Use VerifyHeader".to_owned()
        }),
        Criterion::Age { .. } => None,
    }
}

fn of(response: &Response, invalidation_age: Duration, criterion: Criterion<'_>) -> Verdict {
    match (unusable(response), criterion) {
        (Some(reason), _) => Verdict::NotVerified(reason),
        (None, Criterion::Header(_)) if response.header.is_some() => Verdict::Fresh,
        (None, Criterion::Header(name)) => {
            Verdict::Stale(format!("{} sent no header {name}", describe(response)))
        }
        (None, Criterion::Age { .. }) => by_age(response, invalidation_age),
    }
}

/// Whether no response is one of the URL's object.
#[must_use]
pub fn show_nothing(responses: &[Answered]) -> bool {
    let shows = |response: &Response| unusable(response).is_none();
    !responses
        .iter()
        .any(|(response, _)| response.as_ref().is_ok_and(shows))
}

/// Why nothing follows from a response, if so.
fn unusable(response: &Response) -> Option<String> {
    match response.status {
        status @ 300..=399 => Some(format!(
            "HTTP {status}: redirects are not followed. Use the URL that it redirects to"
        )),
        status @ 400.. => Some(format!("HTTP {status}")),
        _ if !response.is_of_cloudfront => {
            Some("the response does not come from CloudFront".to_owned())
        }
        _ => None,
    }
}

fn by_age(response: &Response, invalidation_age: Duration) -> Verdict {
    match response.age {
        // Revalidated with the origin, or fetched from it.
        _ if is(response, "RefreshHit") => Verdict::Fresh,
        None if is(response, "Miss") => Verdict::Fresh,
        None => Verdict::NotVerified("the response has no valid Age".to_owned()),
        Some(_) if !is_older(response, invalidation_age) => Verdict::Fresh,
        Some(_) if response.came_through_another => Verdict::NotVerified(
            "Via names another cache or proxy, so that Age does not show since when CloudFront has had the object. Use VerifyHeader".to_owned(),
        ),
        Some(age) => Verdict::Stale(format!(
            "{} has had the object for {age} s, and the invalidation is {} s old",
            describe(response),
            invalidation_age.as_secs(),
        )),
    }
}

/// Whether a cache has had the object since before the invalidation.
fn is_older(response: &Response, invalidation_age: Duration) -> bool {
    let age = response.age.map(Duration::from_secs);
    age.is_some_and(|age| age > invalidation_age + TOLERANCE)
}

fn describe(response: &Response) -> String {
    let unknown = || "unknown".to_owned();
    format!(
        "edge location {} (x-cache: {})",
        response.pop.clone().unwrap_or_else(unknown),
        response.x_cache.clone().unwrap_or_else(unknown),
    )
}

/// Whether `x-cache` says this.
fn is(response: &Response, result: &str) -> bool {
    let x_cache = response.x_cache.as_deref();
    x_cache.is_some_and(|x_cache| x_cache.starts_with(result))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIT: &str = "Hit from cloudfront";
    const MISS: &str = "Miss from cloudfront";
    const AGE: Criterion<'_> = Criterion::Age {
        path_was_invalidated: false,
    };
    const AGE_AFTERWARDS: Criterion<'_> = Criterion::Age {
        path_was_invalidated: true,
    };
    const HEADER: Criterion<'_> = Criterion::Header("x-release");

    fn response(age: Option<u64>, x_cache: &str) -> Response {
        Response {
            status: 200,
            age,
            x_cache: Some(x_cache.to_owned()),
            pop: Some("FRA56-P1".to_owned()),
            is_of_cloudfront: true,
            ..Response::default()
        }
    }

    fn released(value: Option<&str>, x_cache: &str) -> Response {
        Response {
            header: value.map(str::to_owned),
            ..response(Some(5000), x_cache)
        }
    }

    /// `+` for fresh, `-` for stale and `?` for not verified, a minute after the invalidation.
    fn sign(responses: &[Response], criterion: Criterion<'_>) -> char {
        let seen = responses.iter().cloned();
        let seen: Vec<_> = seen.map(|r| (Ok(r), Duration::from_mins(1))).collect();
        match of_all(&seen, criterion) {
            Verdict::Fresh => '+',
            Verdict::Stale(_) => '-',
            Verdict::NotVerified(_) => '?',
        }
    }

    #[test]
    fn an_object_that_a_cache_has_had_since_before_the_invalidation_is_stale() {
        for (age, x_cache, expected) in [
            (None, MISS, '+'),
            (Some(0), MISS, '+'),
            (Some(60), HIT, '+'),
            (Some(65), HIT, '+'),
            (Some(66), HIT, '-'),
            (Some(5000), "OriginShieldHit from cloudfront", '-'),
            (Some(5000), "RefreshHit from cloudfront", '+'),
            (None, HIT, '?'),
            (None, "FunctionGeneratedResponse from cloudfront", '?'),
        ] {
            assert_eq!(
                sign(&[response(age, x_cache)], AGE),
                expected,
                "{age:?} {x_cache}"
            );
        }
    }

    #[test]
    fn one_stale_response_is_enough_and_one_that_shows_nothing_does_not_hide_it() {
        let (fresh, stale) = (response(Some(1), HIT), response(Some(5000), HIT));
        let with_status = |status| Response {
            status,
            ..stale.clone()
        };
        let of_another = Response {
            is_of_cloudfront: false,
            ..fresh.clone()
        };
        for other in [with_status(503), with_status(301), of_another] {
            assert_eq!(sign(&[fresh.clone(), other.clone()], AGE), '?');
            assert_eq!(sign(&[other.clone(), stale.clone(), other], AGE), '-');
        }
        let no_response = (Err("no response within 5 s".to_owned()), Duration::ZERO);
        assert!(matches!(
            of_all(&[no_response], AGE),
            Verdict::NotVerified(_)
        ));
    }

    #[test]
    fn the_age_of_another_cache_is_no_false_alarm() {
        let (hit, miss) = (response(Some(5000), HIT), response(Some(5000), MISS));
        let proxied = Response {
            came_through_another: true,
            ..hit.clone()
        };
        assert_eq!(sign(&[proxied], AGE), '?');
        // A regional edge cache may have it: the second invalidation shows that.
        assert_eq!(sign(&[miss.clone(), hit.clone()], AGE), '-');
        assert_eq!(sign(&[miss, hit], AGE_AFTERWARDS), '?');
    }

    #[test]
    fn a_header_decides_alone() {
        let (v1, v2) = (Some("v1"), Some("v2"));
        for (responses, expected) in [
            (vec![released(v2, HIT), released(v2, MISS)], '+'),
            (vec![released(v2, HIT), released(v1, HIT)], '-'),
            (vec![released(v2, HIT), released(None, HIT)], '-'),
            (vec![released(None, MISS), released(v2, HIT)], '?'),
        ] {
            assert_eq!(sign(&responses, HEADER), expected, "{responses:?}");
        }
    }
}
