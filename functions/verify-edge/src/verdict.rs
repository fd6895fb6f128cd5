//! Whether a response is older than the invalidation.

use std::time::Duration;

use http::HeaderName;
use serde::Serialize;

use crate::client::Response;

/// `Age` is in whole seconds, and CloudFront's clock and the function's can differ: an object counts as older than the
/// invalidation only if it is so by more than this.
const TOLERANCE: Duration = Duration::from_secs(5);

/// What a response, or all responses of a URL together, show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// What all responses of a URL together show: one that is stale is enough.
#[must_use]
pub fn of_all(responses: &[Answered], header: Option<&HeaderName>) -> Verdict {
    // Then a hit can have this Age, too.
    let origin_sends_age = responses
        .iter()
        .any(|(response, age)| matches!(response, Ok(r) if is_a_miss(r) && is_older(r, *age)));
    let verdicts = responses.iter().map(|(response, age)| match response {
        Err(problem) => Verdict::NotVerified(problem.clone()),
        Ok(response) => of(response, *age, header, origin_sends_age),
    });
    let mut not_verified = None;
    for verdict in verdicts {
        match verdict {
            Verdict::Stale(_) => return verdict,
            Verdict::NotVerified(_) => not_verified = not_verified.or(Some(verdict)),
            Verdict::Fresh => {}
        }
    }
    not_verified.unwrap_or(Verdict::Fresh)
}

fn of(
    response: &Response,
    invalidation_age: Duration,
    header: Option<&HeaderName>,
    origin_sends_age: bool,
) -> Verdict {
    let status = response.status;
    match (status, header) {
        (300..=399, _) => {
            return Verdict::NotVerified(format!(
                "HTTP {status}: redirects are not followed; configure the URL that it redirects to"
            ));
        }
        (400.., _) => return Verdict::NotVerified(format!("HTTP {status}")),
        (_, Some(header)) if response.header.is_none() => {
            return Verdict::Stale(format!("the response has no header {header}"));
        }
        _ => {}
    }
    if !is_older(response, invalidation_age) || is(response, "RefreshHit") {
        return Verdict::Fresh;
    }
    if origin_sends_age || response.came_through_another {
        let reason = "the origin, or a cache in front of it, sends Age or Via itself, so that Age does not show since when CloudFront has had the object; use VerifyHeader";
        return Verdict::NotVerified(reason.to_owned());
    }
    let unknown = || "unknown".to_owned();
    Verdict::Stale(format!(
        "edge location {} sent an object of Age {} s, {} s after the invalidation (x-cache: {})",
        response.pop.clone().unwrap_or_else(unknown),
        response.age.unwrap_or_default(),
        invalidation_age.as_secs(),
        response.x_cache.clone().unwrap_or_else(unknown),
    ))
}

/// Whether a cache has had the object since before the invalidation. Without `Age`, it comes from the origin.
fn is_older(response: &Response, invalidation_age: Duration) -> bool {
    let age = response.age.map(Duration::from_secs);
    age.is_some_and(|age| age > invalidation_age + TOLERANCE)
}

/// CloudFront has just fetched it.
fn is_a_miss(response: &Response) -> bool {
    is(response, "Miss")
}

fn is(response: &Response, result: &str) -> bool {
    let x_cache = response.x_cache.as_deref();
    x_cache.is_some_and(|x_cache| x_cache.starts_with(result))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(age: Option<u64>, x_cache: &str) -> Response {
        Response {
            status: 200,
            age,
            x_cache: Some(x_cache.to_owned()),
            pop: Some("FRA56-P1".to_owned()),
            ..Response::default()
        }
    }

    fn verdict(responses: &[Response]) -> Verdict {
        let seen = responses
            .iter()
            .map(|r| (Ok(r.clone()), Duration::from_secs(60)));
        of_all(&seen.collect::<Vec<_>>(), None)
    }

    const HIT: &str = "Hit from cloudfront";
    const MISS: &str = "Miss from cloudfront";

    #[test]
    fn an_object_that_a_cache_has_had_since_before_the_invalidation_is_stale() {
        for (age, x_cache, is_stale) in [
            (None, MISS, false),
            (None, HIT, false),
            (Some(0), MISS, false),
            (Some(60), HIT, false),
            (Some(65), HIT, false),
            (Some(66), HIT, true),
            (Some(5000), "OriginShieldHit from cloudfront", true),
            (Some(5000), "RefreshHit from cloudfront", false),
        ] {
            let found = verdict(&[response(age, x_cache)]);
            assert_eq!(matches!(found, Verdict::Stale(_)), is_stale, "{age:?}");
            assert_eq!(found == Verdict::Fresh, !is_stale, "{age:?} {x_cache}");
        }
        let without_x_cache = Response {
            x_cache: None,
            ..response(Some(66), HIT)
        };
        assert!(matches!(verdict(&[without_x_cache]), Verdict::Stale(_)));
    }

    #[test]
    fn one_stale_response_is_enough_and_one_that_shows_nothing_does_not_hide_it() {
        let fresh = response(Some(1), HIT);
        let stale = response(Some(5000), HIT);
        let error = Response {
            status: 503,
            ..response(None, "Error from cloudfront")
        };
        let redirect = Response {
            status: 301,
            ..response(Some(5000), HIT)
        };
        let Verdict::Stale(reason) = verdict(&[fresh.clone(), error.clone(), stale]) else {
            panic!("not stale");
        };
        for part in ["FRA56-P1", "5000 s", "60 s", HIT] {
            assert!(reason.contains(part), "{reason}");
        }
        for other in [error, redirect] {
            let found = verdict(&[fresh.clone(), other]);
            assert!(matches!(found, Verdict::NotVerified(_)), "{found:?}");
        }
        let no_response = (Err("no response within 5 s".to_owned()), Duration::ZERO);
        let found = of_all(&[no_response], None);
        assert!(matches!(found, Verdict::NotVerified(_)));
    }

    #[test]
    fn the_age_of_another_cache_is_no_false_alarm() {
        let old = response(Some(5000), HIT);
        let miss = response(Some(5000), MISS);
        let proxied = Response {
            came_through_another: true,
            ..old.clone()
        };
        for responses in [vec![proxied], vec![old, miss]] {
            let found = verdict(&responses);
            assert!(matches!(found, Verdict::NotVerified(_)), "{found:?}");
        }
    }

    #[test]
    fn a_header_that_is_missing_is_stale_even_if_the_age_says_nothing() {
        let header = HeaderName::from_static("x-release");
        let without = response(None, MISS);
        let with = Response {
            header: Some("v42".to_owned()),
            ..without.clone()
        };
        for (response, is_stale) in [(without, true), (with, false)] {
            let found = of_all(&[(Ok(response), Duration::ZERO)], Some(&header));
            assert_eq!(matches!(found, Verdict::Stale(_)), is_stale);
        }
    }
}
