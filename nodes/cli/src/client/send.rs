//! Sending a request until a server answers it.

use super::asked::Asked;
use super::search::{Next, Search};
use super::{Client, PROBLEM_MAX_BYTES};
use crate::failure::Failure;
use crate::output::note;
use std::time::Duration;
use tidegate_gateway::api::Problem;
use ureq::http::request::Builder;
use ureq::http::{Response, StatusCode, header};
use ureq::{AsSendBody, Body, SendBody};

/// Why a server was asked in vain.
enum Vain {
    /// It is not there, or broke off: another may be.
    Gone(Failure),
    /// It cannot answer now: it, or another, may soon.
    Busy(Failure),
    /// It takes no new work. Another may, when this one alone is stopping; a full disk does not pass by itself.
    Refusing(Failure),
    /// What it says is final.
    Final(Failure),
}

impl Client {
    /// Sends a request to one server after another until one answers, and takes what it needs of the answer.
    pub(super) fn send<T>(
        &self,
        asked: &Asked<'_>,
        take: impl Fn(Response<Body>) -> Result<T, ureq::Error>,
    ) -> Result<T, Failure> {
        let mut search = Search::new(self.servers.all().len(), self.patience);
        let mut refusing = 0;
        loop {
            let (at, server) = self.servers.current();
            let failure = match self.send_once(asked, server, &search, &take) {
                Ok(taken) => return Ok(taken),
                Err(Vain::Final(failure)) => return Err(failure),
                // Nobody else could take over.
                Err(Vain::Gone(failure)) if !self.has_several() => return Err(failure),
                Err(Vain::Gone(failure) | Vain::Busy(failure)) => failure,
                Err(Vain::Refusing(failure)) => {
                    refusing += 1;
                    if refusing >= self.servers.all().len() {
                        return Err(failure);
                    }
                    failure
                }
            };
            self.servers.turn_from(at);
            match search.after_vain() {
                Next::GiveUp => return Err(self.nobody(&failure)),
                Next::Ask { pause, tell } => {
                    if tell {
                        note(format_args!("no controller answers yet, trying {}", self.servers.list()));
                    }
                    std::thread::sleep(pause);
                }
            }
        }
    }

    fn send_once<T>(
        &self,
        asked: &Asked<'_>,
        server: &str,
        search: &Search,
        take: impl Fn(Response<Body>) -> Result<T, ureq::Error>,
    ) -> Result<T, Vain> {
        let head = asked.head(server, self.token.as_deref());
        let within = search.answer_within().map(|within| within + asked.waits);
        let answer = match &asked.body {
            None => self.run(head, (), within),
            Some(body) => {
                let mut source = body.open().map_err(Vain::Final)?;
                let answer = self.run(head, SendBody::from_reader(&mut source), within);
                if let Some(failure) = source.failure() {
                    return Err(Vain::Final(failure));
                }
                answer
            }
        };
        let answer = answer.map_err(|error| self.unreachable(server, &error))?;
        if !answer.status().is_success() {
            return Err(self.refusal(server, answer));
        }
        take(answer).map_err(|error| match error {
            ureq::Error::Json(error) if !error.is_io() => Vain::Final(Failure::Unreachable(format!(
                "what answers at {server} is no Tidegate of this release: {error}"
            ))),
            other => self.unreachable(server, &other),
        })
    }

    fn run(
        &self,
        head: Builder,
        body: impl AsSendBody,
        within: Option<Duration>,
    ) -> Result<Response<Body>, ureq::Error> {
        let request = head.body(body)?;
        self.agent.run(self.agent.configure_request(request).timeout_recv_response(within).build())
    }

    /// What an answer means that is no success.
    fn refusal(&self, server: &str, answer: Response<Body>) -> Vain {
        let status = answer.status();
        let later =
            status == StatusCode::SERVICE_UNAVAILABLE && answer.headers().contains_key(header::RETRY_AFTER);
        let body =
            answer.into_body().into_with_config().limit(PROBLEM_MAX_BYTES).read_to_vec().unwrap_or_default();
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if problem.status == 401 => Vain::Final(self.unauthorized(server, problem)),
            Ok(problem) if later && problem.word() == "unavailable" => Vain::Refusing(problem.into()),
            Ok(problem) if later => Vain::Busy(problem.into()),
            Ok(problem) => Vain::Final(problem.into()),
            Err(_) => Vain::Final(Failure::Unreachable(format!(
                "what answers at {server} is no Tidegate: it says {status}"
            ))),
        }
    }

    fn unauthorized(&self, server: &str, mut problem: Problem) -> Failure {
        if self.token.is_none() {
            problem.detail = format!(
                "{server} wants a token and none is known for it; set TIDEGATE_TOKEN to what the file `token` of its data folder holds"
            );
        }
        problem.into()
    }

    fn unreachable(&self, server: &str, error: &ureq::Error) -> Vain {
        let hint = match self.token {
            Some(_) => "is it running? `tidegate up` starts one; --server or TIDEGATE_SERVER names another",
            None => "start one with `tidegate up`, or name another by --server or TIDEGATE_SERVER",
        };
        let failure = Failure::Unreachable(format!("cannot reach the server at {server}: {error}; {hint}"));
        match error {
            // The request itself is at fault: another server would not take it either.
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => Vain::Final(failure),
            _ => Vain::Gone(failure),
        }
    }

    /// What is said once every server was asked for long enough.
    fn nobody(&self, last: &Failure) -> Failure {
        let last = last.to_string();
        let last = last.strip_prefix("error: ").unwrap_or(&last);
        if !self.has_several() {
            return Failure::Unreachable(last.to_owned());
        }
        Failure::Unreachable(format!(
            "no controller of {} answers; the last one asked: {last}",
            self.servers.list()
        ))
    }
}
