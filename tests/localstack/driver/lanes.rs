//! Lanes that nobody else uses, and the sync function on them: here workers are killed and queues are flooded.

use std::{collections::HashMap, time::Duration};

use aws::{DynamoJobs, SqsSyncQueue, SyncLanes};
use domain::{
    clock::SystemClock,
    entropy::SystemEntropy,
    id::{CompanyId, Ids},
    sync::{Entity, JobLog as _, JobRecord, Lane, SyncJob, SyncMode},
};
use serde_json::{Value, json};

use super::{Bundle, Connected, FunctionCopy};

/// Each lane with the variables that name its queue and its dead letters.
const LANES: [(Lane, &str, &str); 3] = [
    (Lane::High, "SYNC_QUEUE_HIGH_URL", "SYNC_HIGH_DLQ_URL"),
    (Lane::Normal, "SYNC_QUEUE_URL", "SYNC_DLQ_URL"),
    (Lane::Low, "SYNC_QUEUE_LOW_URL", "SYNC_LOW_DLQ_URL"),
];

/// Lanes of one test.
pub(crate) struct Lanes<'a> {
    bundle: &'a Bundle,
    settings: HashMap<String, String>,
}

impl<'a> Lanes<'a> {
    /// Makes lanes whose messages come again after a time if they are not acknowledged.
    pub(crate) async fn open(bundle: &'a Bundle, invisible_for: Duration) -> Self {
        let mut settings = bundle.settings_of("SYNC_FUNCTION").await;
        for (_, queue, dead_letters) in LANES {
            settings.insert(queue.to_owned(), bundle.make_queue(invisible_for).await);
            settings.insert(dead_letters.to_owned(), bundle.make_queue(invisible_for).await);
        }
        Self { bundle, settings }
    }

    /// The queue of a lane.
    pub(crate) fn queue(&self, lane: Lane) -> &str {
        let (_, queue, _) = LANES.iter().find(|(of, ..)| *of == lane).unwrap();
        &self.settings[*queue]
    }

    /// The dead letters of a lane.
    pub(crate) fn dead_letters(&self, lane: Lane) -> &str {
        let (.., dead_letters) = LANES.iter().find(|(of, ..)| *of == lane).unwrap();
        &self.settings[*dead_letters]
    }

    /// A function that works on these lanes when it is told to.
    pub(crate) async fn worker(&self) -> FunctionCopy<'a> {
        self.bundle.copy_with("SYNC_FUNCTION", self.settings.clone()).await
    }

    /// The lanes, for those who put jobs on them.
    pub(crate) fn senders(&self) -> SqsSyncQueue {
        let url = |lane| Some(self.queue(lane).to_owned());
        let lanes = SyncLanes { high: url(Lane::High), normal: url(Lane::Normal), low: url(Lane::Low) };
        SqsSyncQueue::new(aws::clients::sqs(&self.bundle.sdk), lanes)
    }

    /// Hands a worker the message of a job, as its lane does; an error when it was killed.
    pub(crate) async fn hand(
        &self,
        worker: &FunctionCopy<'_>,
        lane: Lane,
        job: &SyncJob,
    ) -> Result<Value, String> {
        let mut batch: Value = serde_json::from_str(include_str!("../../../events/sync-job.json")).unwrap();
        batch["Records"][0]["body"] = json!(job).to_string().into();
        batch["Records"][0]["eventSourceARN"] = self.bundle.arn_of(self.queue(lane)).await.into();
        self.bundle.invoke(&worker.name, &batch).await
    }
}

impl Connected<'_> {
    /// A job on the company.
    pub(crate) fn job(&self, mode: SyncMode, entities: &[Entity]) -> SyncJob {
        let company = self.realm().parse().unwrap();
        let company = CompanyId::of(self.books.provider, &company);
        let ids = Ids::new(&SystemClock, &SystemEntropy);
        let job = SyncJob::full(ids.job(), self.key(), company);
        SyncJob { mode, entities: entities.to_vec(), ..job }
    }
}

impl Bundle {
    /// A job as the log knows it.
    pub(crate) async fn job(&self, job: &SyncJob) -> Option<JobRecord> {
        let table = self.stack.value("RECORDS_TABLE").to_owned();
        let jobs = DynamoJobs::new(aws::clients::dynamodb(&self.sdk), table);
        jobs.find(&job.job_id).await.unwrap()
    }

    /// Lets everything end now that a company waits for and that ends by itself after a minute or so: the lease of a job,
    /// and what was lately asked of the provider.
    pub(crate) async fn end_waits(&self, connection: &Connected<'_>) {
        let (provider, company) = (connection.books.provider, connection.realm());
        let place = CompanyId::of(provider, &company.parse().unwrap());
        for (table, pk, sk) in [
            ("RECORDS_TABLE", format!("COMPANY#{}#{place}", connection.key().tenant), "LEASE"),
            ("CONTROL_TABLE", format!("BUDGET#{provider}#{company}"), "COMPANY"),
        ] {
            let request = aws::clients::dynamodb(&self.sdk)
                .delete_item()
                .table_name(self.stack.value(table))
                .key("pk", text(pk))
                .key("sk", text(sk.to_owned()));
            request.send().await.unwrap();
        }
    }
}

fn text(value: String) -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::S(value)
}
