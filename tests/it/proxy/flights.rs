//! The same question that is under way already is not sent again.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    connection::ConnectionKey,
    provider::Provider as Name,
    proxy::{
        Answered, FLIGHT_LIFE, Flights, Method, Proxy, ProxyAnswer, ProxyError, ProxyPath, ProxyRequest,
        SHARED_MAX, Target, Upstream, UpstreamCall, UpstreamError, parameters,
    },
};
use futures::future::join_all;
use tests::{PausedClock, memory::InMemoryFlights, sample};

use crate::world::World;

/// How long the provider takes.
const TIME: Duration = Duration::from_secs(2);

/// A provider that takes its time and says each time how often it was asked.
#[derive(Default)]
struct Slow {
    asked: Mutex<u64>,
    /// How many of the first requests get no answer.
    unanswered: u64,
    /// How large its answers are.
    size: usize,
}

#[async_trait]
impl Upstream for Slow {
    async fn send(&self, _: UpstreamCall<'_>) -> Result<Answered, UpstreamError> {
        let asked = {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            *asked
        };
        tokio::time::sleep(TIME).await;
        if asked <= self.unanswered {
            return Err(UpstreamError::TooLarge { limit: 0 });
        }
        let mut body = asked.to_string().into_bytes();
        body.resize(self.size.max(body.len()), b' ');
        Ok(Answered { answer: ProxyAnswer { status: 200, headers: vec![], body }, token_refused: false })
    }
}

/// Two function instances before one provider.
struct Instances {
    target: Target,
    slow: Arc<Slow>,
    proxies: Vec<Proxy>,
    flights: Arc<InMemoryFlights>,
}

impl Instances {
    async fn before(slow: Slow) -> Self {
        let (world, flights, slow) = (World::new(), Arc::<InMemoryFlights>::default(), Arc::new(slow));
        let key: ConnectionKey = world.connected().await;
        let clock = Arc::new(PausedClock::at(sample::NOW));
        let instance = || Proxy {
            upstream: slow.clone(),
            flights: flights.clone(),
            clock: clock.clone(),
            ..world.proxy()
        };
        let proxies = vec![instance(), instance()];
        let target = Target { key, provider: Name::QuickBooks, company: sample::provider_company() };
        Self { target, slow, proxies, flights }
    }

    /// Asks once for each query, in turn at one instance and the other, all at the same time.
    async fn ask(&self, queries: &[&str]) -> Vec<Result<String, ProxyError>> {
        let calls = queries.iter().zip(self.proxies.iter().cycle()).map(async |(query, proxy)| {
            let answer = proxy.call(&self.target, read(query)).await?;
            Ok(String::from_utf8(answer.body).unwrap().trim().to_owned())
        });
        join_all(calls).await
    }

    fn asked(&self) -> u64 {
        *self.slow.asked.lock().unwrap()
    }
}

fn read(query: &str) -> ProxyRequest {
    ProxyRequest {
        method: Method::Get,
        path: ProxyPath::parse("invoice/1").unwrap(),
        query: parameters(query),
        accept: None,
        content_type: None,
        if_modified_since: None,
        key: None,
        body: vec![],
    }
}

fn answers(answers: Vec<Result<String, ProxyError>>) -> Vec<String> {
    answers.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(start_paused = true)]
async fn the_same_question_of_many_is_asked_once() {
    let instances = Instances::before(Slow::default()).await;

    assert_eq!(answers(instances.ask(&["a=1"; 10]).await), ["1"; 10]);
    assert_eq!(instances.asked(), 1);

    assert_eq!(answers(instances.ask(&["a=1"]).await), ["2"], "what was answered before is asked anew");
    assert_eq!(answers(instances.ask(&["a=1", "a=2"]).await).len(), 2);
    assert_eq!(instances.asked(), 4, "another question is another");
    // The gateway hands over parameters in any order.
    let same = answers(instances.ask(&["a=1&b=2&c=3", "c=3&a=1&b=2"]).await);
    assert_eq!((same, instances.asked()), (vec!["5".to_owned(); 2], 5));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_asks_for_itself_where_the_answer_cannot_be_shared() {
    for slow in [Slow { unanswered: 1, ..Slow::default() }, Slow { size: SHARED_MAX + 1, ..Slow::default() }]
    {
        let unanswered = slow.unanswered;
        let instances = Instances::before(slow).await;

        let answers = instances.ask(&["a=1", "a=1"]).await;

        assert_eq!(answers.iter().filter(|answer| answer.is_err()).count() as u64, unanswered);
        assert_eq!(instances.asked(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_somebody_who_died() {
    let instances = Instances::before(Slow::default()).await;
    let now = sample::NOW;
    let request = read("a=1").about(&instances.target, &domain::entropy::SystemEntropy);
    let key = domain::proxy::FlightKey::of(&instances.target, &request.unwrap());
    let until = domain::refresh::policy::later(now, FLIGHT_LIFE);
    instances.flights.begin(&key, "dead", (now, until)).await.unwrap();

    let began = tokio::time::Instant::now();
    let answers = answers(instances.ask(&["a=1", "a=1"]).await);

    assert_eq!(answers.len(), 2);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn two_writes_are_two() {
    let instances = Instances::before(Slow::default()).await;
    let write = || ProxyRequest { method: Method::Post, ..read("a=1") };

    let [first, second] = &instances.proxies[..] else { panic!("two instances") };
    let (a, b) =
        tokio::join!(first.call(&instances.target, write()), second.call(&instances.target, write()));

    assert!(a.is_ok() && b.is_ok());
    assert_eq!(instances.asked(), 2);
}
