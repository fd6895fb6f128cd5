//! Requests a URL as a viewer does.

use std::{io, time::Duration};

use http::{HeaderMap, HeaderName, Request, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};
use shared::errors::{causes, shorten};
use tokio::time::timeout;

use crate::url::Url;

/// For the connection, the request and the response's headers. The body is not read.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// All headers of a response together, in bytes.
const MAX_HEADERS: usize = 64 * 1024;
/// The longest header, and the longest error, that an execution shows, in characters.
const SHOWN_CHARACTERS: usize = 200;
/// The variant of an object that browsers request.
const ACCEPT_ENCODING: &str = "br, gzip";
const USER_AGENT: &str = concat!("cloudfront-deploy-hook/", env!("CARGO_PKG_VERSION"));

/// What of a response is used, and shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The header `Age`: for how many seconds a cache has had the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<u64>,
    /// The header `x-cache`, for example `Hit from cloudfront`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_cache: Option<String>,
    /// The header `x-amz-cf-pop`: the edge location, for example `FRA56-P1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pop: Option<String>,
    /// The value of `VerifyHeader`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Whether it has a header that only CloudFront sends.
    #[serde(skip)]
    pub is_of_cloudfront: bool,
    /// Whether the header `Via` names a cache or proxy that is not of CloudFront.
    #[serde(skip)]
    pub came_through_another: bool,
}

impl Response {
    fn new(status: u16, headers: &HeaderMap, header: Option<&HeaderName>) -> Self {
        // The one that CloudFront has added, if the origin is behind a CloudFront of its own, as some APIs are.
        let text = |name: &str| {
            let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
            Some(shorten(value, SHOWN_CHARACTERS))
        };
        let via = headers.get_all(header::VIA).iter();
        let via = via.filter_map(|value| value.to_str().ok());
        let mut via = via.flat_map(|value| value.split(','));
        Self {
            status,
            age: text("age").and_then(|age| age.parse().ok()),
            x_cache: text("x-cache"),
            pop: text("x-amz-cf-pop"),
            header: header.and_then(|name| text(name.as_str())),
            is_of_cloudfront: headers.contains_key("x-amz-cf-pop"),
            came_through_another: via.any(|by| !by.trim().ends_with("(CloudFront)")),
        }
    }
}

/// An HTTPS client that follows no redirects and makes a connection for each request: a host name can stand for several edge
/// servers.
pub struct Client(legacy::Client<HttpsConnector<HttpConnector>, String>);

impl Client {
    /// A client that trusts the machine's certificate authorities.
    ///
    /// # Errors
    /// When these cannot be read.
    pub fn new() -> io::Result<Self> {
        let connector = HttpsConnectorBuilder::new().with_native_roots()?;
        let connector = connector.https_only().enable_http1().build();
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(MAX_HEADERS)
            .build(connector);
        Ok(Self(client))
    }

    /// Requests a URL. `header` is the header whose value is wanted, too.
    ///
    /// # Errors
    /// When there is no response in time, with the reason.
    pub async fn get(&self, url: &Url, header: Option<&HeaderName>) -> Result<Response, String> {
        let request = Request::get(url.uri())
            .header(header::ACCEPT, "*/*")
            .header(header::ACCEPT_ENCODING, ACCEPT_ENCODING)
            .header(header::USER_AGENT, USER_AGENT)
            .body(String::new())
            .map_err(|error| error.to_string())?;
        let Ok(response) = timeout(TIMEOUT, self.0.request(request)).await else {
            return Err(format!("no response within {} s", TIMEOUT.as_secs()));
        };
        let response = response.map_err(|error| shorten(&causes(&error), SHOWN_CHARACTERS))?;
        let status = response.status().as_u16();
        Ok(Response::new(status, response.headers(), header))
    }
}
