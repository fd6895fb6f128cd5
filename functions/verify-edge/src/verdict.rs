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
pub struct Criterion<'a> {
    /// The header that every response must have; with it, `Age` only shows which of its values are new.
    pub header: Option<&'a str>,
    /// Whether the URL's own path has been invalidated: an object that CloudFront has just fetched, and that has an old `Age`, then got
    /// it from the origin.
    pub path_was_invalidated: bool,
}

/// What all responses of a URL together show: one that is stale is enough, unless the origin explains it.
#[must_use]
pub fn of_all(responses: &[Answered], criterion: Criterion<'_>) -> Verdict {
    let Criterion {
        header,
        path_was_invalidated,
    } = criterion;
    match header {
        Some(header) => of_all_by_header(responses, header, path_was_invalidated),
        None => of_all_by_age(responses, path_was_invalidated),
    }
}

fn of_all_by_header(responses: &[Answered], header: &str, path_was_invalidated: bool) -> Verdict {
    let new = usable(responses).filter(|(response, age)| is_new(response, *age));
    let values: BTreeSet<_> = new
        .map(|(response, _)| response.header.as_deref())
        .collect();
    if values.contains(&None) {
        return Verdict::NotVerified(format!("the origin does not send the header {header}"));
    }
    worst(responses, |response, _| {
        by_header(response, header, &values, path_was_invalidated)
    })
}

fn of_all_by_age(responses: &[Answered], path_was_invalidated: bool) -> Verdict {
    let from_origin =
        |(response, age): (&Response, Duration)| is(response, "Miss") && is_older(response, age);
    if path_was_invalidated && usable(responses).any(from_origin) {
        let reason = "CloudFront has just fetched the object, and it has an old Age: the origin, or a cache in front of it, sends Age itself. Use VerifyHeader";
        return Verdict::NotVerified(reason.to_owned());
    }
    worst(responses, by_age)
}

/// The first verdict of those that count most: stale, then not verified.
fn worst(responses: &[Answered], verdict: impl Fn(&Response, Duration) -> Verdict) -> Verdict {
    let verdicts = responses.iter().map(|(response, age)| match response {
        Err(problem) => Verdict::NotVerified(problem.clone()),
        Ok(response) => match unusable(response) {
            Some(reason) => Verdict::NotVerified(reason),
            None => verdict(response, *age),
        },
    });
    let worst = verdicts.min_by_key(|verdict| match verdict {
        Verdict::Stale(_) => 0,
        Verdict::NotVerified(_) => 1,
        Verdict::Fresh => 2,
    });
    worst.unwrap_or(Verdict::Fresh)
}

/// The responses that have the URL's object, each with the age of the invalidation.
fn usable(responses: &[Answered]) -> impl Iterator<Item = (&Response, Duration)> {
    let found = responses.iter();
    let found = found.filter_map(|(response, age)| Some((response.as_ref().ok()?, *age)));
    found.filter(|(response, _)| unusable(response).is_none())
}

/// Whether no response is one of the URL's object.
#[must_use]
pub fn show_nothing(responses: &[Answered]) -> bool {
    usable(responses).next().is_none()
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

/// `new` are the values that objects from after the invalidation have.
fn by_header(
    response: &Response,
    header: &str,
    new: &BTreeSet<Option<&str>>,
    path_was_invalidated: bool,
) -> Verdict {
    let by = describe(response);
    match response.header.as_deref() {
        None => Verdict::Stale(format!("{by} sent no header {header}")),
        Some(value) if new.contains(&Some(value)) => Verdict::Fresh,
        Some(value) if !new.is_empty() => Verdict::Stale(format!(
            "{by} sent {header}: {value}, which is not the new value"
        )),
        Some(_) if path_was_invalidated => {
            Verdict::NotVerified(format!("no response shows which value of {header} is new"))
        }
        Some(value) => Verdict::Stale(format!(
            "{by} sent {header}: {value}, which no response shows to be new"
        )),
    }
}

fn by_age(response: &Response, invalidation_age: Duration) -> Verdict {
    match response.age {
        _ if is_new(response, invalidation_age) => Verdict::Fresh,
        None => Verdict::NotVerified("the response has no valid Age".to_owned()),
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

/// Whether CloudFront has the object since the invalidation: it was fetched from the origin or compared with it, or is not older.
fn is_new(response: &Response, invalidation_age: Duration) -> bool {
    is(response, "RefreshHit")
        || match response.age {
            None => is(response, "Miss"),
            Some(_) => !is_older(response, invalidation_age),
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
    const AGE: Criterion<'_> = Criterion {
        header: None,
        path_was_invalidated: false,
    };
    const AGE_AFTERWARDS: Criterion<'_> = Criterion {
        path_was_invalidated: true,
        ..AGE
    };
    const HEADER: Criterion<'_> = Criterion {
        header: Some("x-release"),
        ..AGE
    };
    const HEADER_AFTERWARDS: Criterion<'_> = Criterion {
        path_was_invalidated: true,
        ..HEADER
    };

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

    fn released(value: Option<&str>, age: u64, x_cache: &str) -> Response {
        Response {
            header: value.map(str::to_owned),
            ..response(Some(age), x_cache)
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
    fn a_header_has_the_value_of_what_is_new() {
        let (v1, v2) = (Some("v1"), Some("v2"));
        for (responses, expected) in [
            // A Miss without an Age, or a RefreshHit, shows the new value, whatever the origin's Age is.
            (
                vec![released(v2, 5000, HIT), released(v2, 5000, "RefreshHit")],
                "++",
            ),
            (vec![released(v2, 5000, HIT), released(v2, 1, HIT)], "++"),
            (vec![released(v1, 5000, HIT), released(v2, 1, HIT)], "--"),
            (vec![released(v1, 5000, HIT)], "-?"),
            (vec![released(None, 5000, HIT)], "--"),
            (vec![released(None, 5000, HIT), released(v2, 1, HIT)], "--"),
            (vec![released(None, 0, MISS), released(v2, 1, HIT)], "??"),
        ] {
            let found = [HEADER, HEADER_AFTERWARDS].map(|c| sign(&responses, c));
            assert_eq!(String::from_iter(found), expected, "{responses:?}");
        }
    }
}
