//! Rows that need more than one request: what happens while a body comes, what a second attempt is told, what a reader sees.

mod bodies;
mod generations;
mod multipart;
mod overtaken;
mod renames;
mod resent;
mod various;

use std::future::Future;
use std::pin::Pin;

use super::parts::Part;
use super::row::{Case, Row, Severity, Trial, Verdict};
use super::state::State;
use super::weigh::Tried;
use super::world::World;
use crate::client::s3::Trouble;
use crate::client::{Answer, Client, Lost};

/// What came, and what to think of it.
pub(crate) struct Told {
    pub(crate) came: String,
    pub(crate) verdict: Verdict,
}

type Telling<'a> = Pin<Box<dyn Future<Output = Result<Told, Trouble>> + Send + 'a>>;

/// A row with a script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Story {
    pub(crate) sent: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) run: for<'a, 'w> fn(&'a mut World<'w>) -> Telling<'a>,
}

pub(super) fn all() -> Vec<Row> {
    [overtaken::rows(), bodies::rows(), multipart::rows(), resent::rows(), renames::rows(), generations::rows(), various::rows()].concat()
}

fn row(id: &str, group: &'static str, needs: &[Part], story: Story) -> Row {
    Row { id: id.to_owned(), group, needs: needs.to_vec(), trial: Trial::Story(story) }
}

impl Told {
    fn holds(answer: &Answer) -> Self {
        Self { came: answer.in_short(), verdict: Verdict::Holds }
    }

    fn accepted(answer: &Answer, why: &str) -> Self {
        Self { came: answer.in_short(), verdict: Verdict::accepted(why) }
    }

    fn deviates(came: String, severity: Severity, why: impl Into<String>) -> Self {
        Self { came, verdict: Verdict::deviates(severity, why) }
    }

    fn wrong(answer: &Answer, why: impl Into<String>) -> Self {
        Self::deviates(answer.in_short(), Severity::WrongAnswer, why)
    }
}

fn lost(what: &'static str) -> impl FnOnce(Lost) -> Trouble {
    move |lost| Trouble::Lost { what, lost }
}

impl World<'_> {
    /// Another client of the same endpoint.
    fn rival(&self) -> Client {
        Client::new(self.client.target().clone(), self.client.endpoint())
    }

    /// Judges an answer like one of the tables, and shows what it changed.
    fn judged(&self, case: &Case, answer: &Answer, before: &State, after: &State) -> Told {
        let new = self.body("new");
        let verdict = Tried { case, answer, before, after, new: &new }.verdict();
        Told { came: answer.in_short(), verdict }
    }
}

/// Rows from async functions: id, group and needs, function; what is sent, what must come.
macro_rules! stories {
    ($($id:literal, $group:expr, $needs:expr => $function:ident; $sent:literal => $expected:literal;)*) => {
        vec![$($crate::conformance::stories::row(
            $id,
            $group,
            $needs,
            $crate::conformance::stories::Story { sent: $sent, expected: $expected, run: |world| Box::pin($function(world)) },
        )),*]
    };
}
use stories;
