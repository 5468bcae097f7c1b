//! What the ledgers of the three providers have in common: asking once, reading lists, sorting what came of each id.

mod ask;
mod counts;
mod decimal;
mod fetch;
mod heard;
mod json;
mod page;
#[cfg(test)]
pub(crate) mod samples;

pub(crate) use ask::{Limits, Trouble, Unreadable, about_one, ask, is_too_long, refused, unreadable};
pub(crate) use counts::miscounted;
pub(crate) use decimal::decimal;
pub(crate) use fetch::{as_far_as_it_came, each, id_in_path, in_time, left_of};
pub(crate) use heard::{Limited, number, wait_for_day};
pub use heard::{heard_of, kind};
pub(crate) use json::{Member, Members, Objects, Raw, member};
pub(crate) use page::{newest_in_order, numbered, take, to_the_second, well_before};
