//! The log of jobs in `DynamoDB`, in the table of records.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    operation::put_item::builders::PutItemFluentBuilder,
    types::{ReturnValuesOnConditionCheckFailure, Select},
};
use domain::{
    id::{JobId, TenantId},
    provider::Provider,
    refresh::policy::later,
    store::{BoxError, StoreError},
    sync::{JobCounts, JobLog, JobRecord, JobState},
};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    erase,
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, instant, names, number, text},
    keys::{JOBS_INDEX, Key, PK, QUEUE, QUEUED_AT, SK, TTL, jobs_partition, queue_of},
    partiql::{self, Stated},
};

/// The job itself, as its message says it.
const JOB: &str = "job";
const LANE: &str = "lane";
const STATE: &str = "state";
const CREATED_AT: &str = "created_at";
const STARTED_AT: &str = "started_at";
const ENDED_AT: &str = "ended_at";
const RESUMES_AT: &str = "resumes_at";
const FAILURES: &str = "failures";
const PROGRESS: &str = "progress";
const ERROR: &str = "error";

/// How long a job is remembered after it last moved, as the port promises.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// How long it is listed among its tenant's: longer than a job may wait for limits and is then remembered.
const LISTED: Duration = Duration::from_hours(90 * 24);
/// Pages of the index that one count reads: of some eight thousand jobs each, so that a count ends at about 160,000 and the
/// answer does not take longer than somebody waits for it.
const MAX_COUNT_PAGES: usize = 20;
/// Jobs that are forgotten at once.
const ERASED: i32 = 500;
/// Writes under way at once: enough to hide the round trip.
const CONCURRENCY: usize = 16;
/// What an item is called in errors.
const WHAT: &str = "job";

/// The jobs in the table of records.
#[derive(Clone, Debug)]
pub struct DynamoJobs {
    client: Client,
    table: String,
}

impl DynamoJobs {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    fn put(&self, item: Item, condition: String) -> PutItemFluentBuilder {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
    }

    /// Stores a job that nobody has stored; after a lost answer the second try finds the first, and leaves it.
    async fn insert(&self, item: Item) -> Result<(), StoreError> {
        let request = self.put(item, format!("attribute_not_exists(#{PK})"));
        conditional("create_jobs", request.send().await)?;
        Ok(())
    }

    async fn count(
        &self,
        (provider, state): (Provider, JobState),
        since: Option<Timestamp>,
    ) -> Result<u64, StoreError> {
        let condition = format!("#{QUEUE} = :queue AND #{QUEUED_AT} >= :since");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(JOBS_INDEX)
            .select(Select::Count)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":queue", text(queue_of(provider, state)))
            .expression_attribute_values(":since", since.map_or_else(|| number(0), instant));
        let mut pages = query.into_paginator().send();
        let mut count = 0;
        for _ in 0..MAX_COUNT_PAGES {
            let Some(page) = pages.next().await else { break };
            count += u64::try_from(page.map_err(unavailable("count_jobs"))?.count()).unwrap_or_default();
        }
        Ok(count)
    }
}

#[async_trait]
impl JobLog for DynamoJobs {
    async fn create(&self, jobs: &[JobRecord]) -> Result<(), StoreError> {
        let mut items = jobs.iter().map(write).collect::<Result<Vec<_>, _>>()?;
        items.extend(jobs.iter().map(listed));
        if jobs.len() > 1 {
            let inserts = items.iter().map(|item| partiql::insert(&self.table, item.clone()));
            let stated =
                partiql::execute(&self.client, "create_jobs", inserts.collect::<Result<_, _>>()?).await?;
            let failed = items.into_iter().zip(stated).filter(|(_, stated)| *stated == Stated::Failed);
            items = failed.map(|(item, _)| item).collect();
        }
        let inserts: Vec<_> = items.into_iter().map(|item| self.insert(item)).collect();
        stream::iter(inserts).buffer_unordered(CONCURRENCY).try_collect().await
    }

    async fn find(&self, id: &JobId) -> Result<Option<JobRecord>, StoreError> {
        // Consistent, since a job is asked for as soon as it is made.
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::job(id).into_item()));
        let output = request.send().await.map_err(unavailable("find_job"))?;
        output.item().map(read).transpose()
    }

    async fn save(&self, job: &JobRecord) -> Result<bool, StoreError> {
        let item = write(job)?;
        let request = self
            .put(item.clone(), format!("attribute_not_exists(#{PK}) OR #{STATE} <> :completed"))
            .expression_attribute_values(":completed", text(JobState::Completed.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(match conditional("save_job", request.send().await)? {
            Conditional::Written(_) => true,
            // After a lost answer the second try is refused by the first, and finds what it was to write.
            Conditional::Refused(stored) => stored == item,
        })
    }

    async fn counts(&self, provider: Provider, since: Timestamp) -> Result<JobCounts, StoreError> {
        let counts = JobState::ALL.map(|state| {
            let has_ended = matches!(state, JobState::Completed | JobState::Failed);
            self.count((provider, state), has_ended.then_some(since))
        });
        match *try_join_all(counts).await? {
            [waiting, active, delayed, completed, failed] => {
                Ok(JobCounts { waiting, active, completed, failed, delayed })
            }
            _ => Err(unavailable("count_jobs")("a state has no count")),
        }
    }

    async fn erase(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        const OPERATION: &str = "erase_jobs";
        let table = (&self.client, self.table.as_str());
        let page = erase::partition(table, jobs_partition(tenant)).limit(ERASED).send().await;
        let page = page.map_err(unavailable(OPERATION))?;
        let entries = page.items();
        let ids = entries.iter().map(|entry| Reader::new(WHAT, entry).parsed::<JobId>(SK));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        // The jobs before the entries by which they are found.
        erase::items(table, ids.iter().map(|id| Key::job(id).into_item()), OPERATION).await?;
        erase::items(table, ids.iter().map(|id| Key::job_of(tenant, id).into_item()), OPERATION).await?;
        Ok(page.last_evaluated_key().is_none())
    }
}

/// The entry of a job among those of its tenant.
fn listed(job: &JobRecord) -> Item {
    let forgotten_at = later(job.created_at, LISTED).as_second();
    Key::job_of(&job.job.key.tenant, &job.job.job_id).into_item().put(TTL, number(forgotten_at))
}

fn write(job: &JobRecord) -> Result<Item, StoreError> {
    let provider = job.job.company_id.parts().map(|(provider, _)| provider);
    let moved_at = [job.started_at, job.ended_at, job.resumes_at].into_iter().flatten();
    let moved_at = moved_at.fold(job.created_at, Timestamp::max);
    let item = Key::job(&job.job.job_id)
        .into_item()
        .put(JOB, json(&job.job)?)
        .put(LANE, text(job.lane.as_str()))
        .put(STATE, text(job.state.as_str()))
        .put_if(QUEUE, provider.map(|provider| text(queue_of(provider, job.state))))
        .put(QUEUED_AT, instant(job.ended_at.unwrap_or(job.created_at)))
        .put(CREATED_AT, instant(job.created_at))
        .put_if(STARTED_AT, job.started_at.map(instant))
        .put_if(ENDED_AT, job.ended_at.map(instant))
        .put_if(RESUMES_AT, job.resumes_at.map(instant))
        .put(FAILURES, number(job.failures))
        .put(PROGRESS, json(&job.progress)?)
        .put(TTL, number(later(moved_at, KEPT).as_second()));
    Ok(match &job.error {
        Some(error) => item.put(ERROR, json(error)?),
        None => item,
    })
}

fn read(item: &Item) -> Result<JobRecord, StoreError> {
    let reader = Reader::new(WHAT, item);
    Ok(JobRecord {
        job: parsed(&reader, JOB)?,
        lane: reader.word(LANE)?,
        state: reader.word(STATE)?,
        created_at: reader.instant(CREATED_AT)?,
        started_at: reader.instant_if(STARTED_AT)?,
        ended_at: reader.instant_if(ENDED_AT)?,
        resumes_at: reader.instant_if(RESUMES_AT)?,
        failures: reader.number(FAILURES)?,
        progress: parsed(&reader, PROGRESS)?,
        error: item.contains_key(ERROR).then(|| parsed(&reader, ERROR)).transpose()?,
    })
}

fn json(value: &impl Serialize) -> Result<aws_sdk_dynamodb::types::AttributeValue, StoreError> {
    let json = serde_json::to_string(value);
    Ok(text(json.map_err(|error| StoreError::Corrupt { what: WHAT, source: BoxError::from(error) })?))
}

fn parsed<T: DeserializeOwned>(reader: &Reader<'_>, name: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(reader.text(name)?).map_err(|error| reader.value(name, error))
}
