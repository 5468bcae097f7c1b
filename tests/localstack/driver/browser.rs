//! A person's browser: it keeps cookies for the bundle and follows redirects by hand, one at a time.

use std::collections::BTreeMap;

use reqwest::Method;

use super::{Answer, Bundle};

/// The browser of one person.
///
/// It sends a `Secure` cookie over plain http, as browsers do to the machine's own loopback addresses.
pub(crate) struct Browser<'a> {
    bundle: &'a Bundle,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(bundle: &'a Bundle) -> Self {
        Self { bundle, cookies: BTreeMap::new() }
    }

    /// Opens an address of the bundle.
    pub(crate) async fn open(&mut self, url: &str) -> Answer {
        self.send(Method::GET, url).await
    }

    pub(crate) async fn send(&mut self, method: Method, url: &str) -> Answer {
        assert!(url.starts_with(&self.bundle.url("/")), "the cookies are the bundle's: {url}");
        let mut request = self.bundle.http.request(method, url).header("accept", "text/html,*/*;q=0.8");
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        let answer = self.bundle.send(request).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}
