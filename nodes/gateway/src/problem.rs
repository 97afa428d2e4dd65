//! Errors of every part as problem documents.

use crate::api::{Finding, Problem};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use tidegate_controller::{BlobError, InviteError};
use tidegate_scheduler::Refusal;
use tidegate_spec::SpecError;
use tidegate_store::StoreError;

const NOT_LEADER: &str = "not-leader";
const UNCERTAIN: &str = "uncertain";
const NOT_KNOWN: &str = "Whether it was done is not known";
const BEHIND: &str = "history-behind";

/// What an HTTP handler answers.
pub(crate) type Answer<T = HttpResponse> = Result<T, Problem>;

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self.status {
            401 => response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"tidegate\"")),
            503 => response.insert_header((header::RETRY_AFTER, "1")),
            _ => &mut response,
        };
        response.content_type("application/problem+json").body(serde_json::json!(self).to_string())
    }
}

/// A request that makes no sense.
pub(crate) fn bad_request(detail: impl Into<String>) -> Problem {
    Problem::new(400, "bad-request", "The request cannot be understood", detail)
}

/// Something that does not exist.
pub(crate) fn not_found(detail: impl Into<String>) -> Problem {
    Problem::new(404, "not-found", "There is no such thing", detail)
}

/// More than is taken.
pub(crate) fn too_large(detail: impl Into<String>) -> Problem {
    Problem::new(413, "too-large", "The request is too large", detail)
}

/// Nobody can answer now, and nothing was changed.
pub(crate) fn no_leader(detail: impl std::fmt::Display) -> Problem {
    Problem::new(503, "no-leader", "No controller can answer now", detail.to_string())
}

/// Too many ask at the same time, and nothing was changed.
pub(crate) fn crowded(detail: impl std::fmt::Display) -> Problem {
    let detail = format!("{detail}; ask another controller, or again when some of them have ended");
    Problem::new(503, "crowded", "Too many requests are under way", detail)
}

/// The controller is not there yet, and nothing was changed.
pub(crate) fn starting() -> Problem {
    let detail = "this controller reads back what it had stored, and answers once it has: try again, or ask another one";
    Problem::new(503, "starting", "The controller is starting", detail)
}

/// It may have been done.
pub(crate) fn uncertain(detail: impl std::fmt::Display) -> Problem {
    Problem::new(503, UNCERTAIN, NOT_KNOWN, detail.to_string())
}

/// Run history is being copied from another controller.
pub(crate) fn behind(detail: impl std::fmt::Display) -> Problem {
    Problem::new(503, BEHIND, "Run history is not complete here yet", detail.to_string())
}

/// Whether the next leader is to be asked.
pub(crate) fn is_lost(problem: &Problem) -> bool {
    problem.word() == NOT_LEADER || is_uncertain(problem)
}

/// Whether what was asked may have been done.
pub(crate) fn is_uncertain(problem: &Problem) -> bool {
    problem.word() == UNCERTAIN
}

/// Whether another controller's history may know more.
pub(crate) fn is_behind(problem: &Problem) -> bool {
    problem.word() == BEHIND
}

/// A failure of ours: told in full to the log, and to the client.
pub(crate) fn internal(detail: impl std::fmt::Display) -> Problem {
    tracing::error!(%detail, "a request failed");
    let detail = format!("{detail}; the server's log has more");
    Problem::new(500, "internal", "The server failed", detail)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let (status, word, title) = match &refusal {
            Refusal::NotLeader => (503, NOT_LEADER, "This controller does not lead"),
            Refusal::Uncertain => (503, UNCERTAIN, NOT_KNOWN),
            Refusal::KeyReused => (422, "key-reused", "The key is of another request"),
            Refusal::UnknownController(_) => (404, "unknown-controller", "There is no such controller"),
            Refusal::LastVoter(_) => (409, "last-voter", "Somebody must vote"),
            Refusal::Unavailable(_) => (503, "unavailable", "No new work is accepted"),
            Refusal::NameConflict { .. } => (409, "name-conflict", "The name is taken"),
            Refusal::UnknownRun(_) => (404, "unknown-run", "There is no such run"),
            Refusal::UnknownElement { .. } => (404, "unknown-element", "There is no such element"),
            Refusal::UnknownPool(_) => (404, "unknown-pool", "There is no such pool"),
            Refusal::NoPool => (409, "no-pool", "There is no pool to run on"),
            Refusal::PoolDeleting(_) => (409, "pool-deleting", "The pool is being deleted"),
            Refusal::PoolInUse { .. } => (409, "pool-in-use", "The pool still has runs"),
            Refusal::NeverFits { .. } => (422, "never-fits", "The run can never fit"),
            Refusal::BadRun { .. } => (422, "bad-run", "The run makes no sense"),
            Refusal::BadPool { .. } => (422, "bad-pool", "The pool makes no sense"),
            Refusal::BadQuota { .. } => (422, "bad-quota", "The allowance makes no sense"),
            Refusal::TooManyRuns { .. } => (409, "too-many-runs", "The workspace has as many runs as it may"),
            Refusal::PrerequisiteNotMet { .. } => {
                (409, "prerequisite-not-met", "What the run is to start after ended otherwise")
            }
            Refusal::TooMuch { .. } => (422, "too-much", "More is asked for than may be"),
            Refusal::BadName { .. } => (422, "bad-name", "The name cannot be used"),
            Refusal::NothingToRetry(_) => (409, "nothing-to-retry", "Nothing is to be retried"),
            Refusal::AlreadyEnded(_) => (409, "already-ended", "The run has ended"),
        };
        Problem::new(status, word, title, refusal.to_string())
    }
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Problem {
        match error {
            InviteError::Refused(refusal) => refusal.into(),
            InviteError::Stopping(stopping) => crate::app::stopping(stopping),
            InviteError::Bundle(_) => internal(error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let detail = error.to_string();
        match error {
            StoreError::DiskFull { .. } => {
                Problem::new(507, "disk-full", "The server's disk is full", detail)
            }
            StoreError::Mismatch { .. } => {
                Problem::new(422, "digest-mismatch", "The content is not what its digest says", detail)
            }
            StoreError::TooLarge { .. } => too_large(detail),
            StoreError::Source(_) => bad_request(detail),
            StoreError::Stopped { .. } => Problem::new(503, "unavailable", "No new work is accepted", detail),
            _ => internal(detail),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Problem {
        match error {
            BlobError::Store(error) => error.into(),
            BlobError::NoMajority { .. } => {
                Problem::new(503, "no-majority", "Too few controllers could store it", error.to_string())
            }
            BlobError::BrokenOff(_) => internal(error),
        }
    }
}

/// What is wrong with a specification; empty `errors` cannot happen and says nothing.
pub(crate) fn bad_spec(prefix: &str, errors: &[SpecError]) -> Problem {
    let key = |error: &SpecError| error.place().key.as_ref().map(|key| format!("{prefix}{key}"));
    let findings: Vec<Finding> =
        errors.iter().map(|error| Finding { key: key(error), detail: error.to_string() }).collect();
    let unsupported = errors.iter().all(SpecError::is_unsupported);
    let (word, title) = match unsupported {
        true => ("unsupported", "The specification asks for what is not supported yet"),
        false => ("bad-specification", "The specification is wrong"),
    };
    let detail = findings.first().map(|finding| finding.detail.clone()).unwrap_or_default();
    let mut problem = Problem::new(422, word, title, detail);
    problem.key = findings.first().and_then(|finding| finding.key.clone());
    problem.findings = findings;
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_where_and_what_to_do() {
        let problem = Problem::from(Refusal::UnknownPool("big".into()));
        assert_eq!((problem.status, problem.word()), (404, "unknown-pool"));
        assert!(problem.detail.contains("tidegate pool apply"), "{problem}");
        let json = serde_json::json!(problem.at("job.compute"));
        assert_eq!(json["type"], "urn:tidegate:problem:unknown-pool");
        assert_eq!(json["key"], "job.compute");
        assert!(json.get("findings").is_none());
    }

    #[test]
    fn every_finding_of_a_specification_is_told() {
        let job = serde_json::json!({"command": "x", "environment": "azureml:e", "identity": {"type": "aml_token"},
            "parent_job_name": "p"});
        let job = tidegate_spec::CommandJob::from_json(&job).unwrap();
        let problem = bad_spec("job.", &tidegate_spec::unsupported(&job));
        assert_eq!(problem.word(), "unsupported");
        assert_eq!(problem.key.as_deref(), Some("job.identity"));
        assert_eq!(problem.findings.len(), 2);
    }
}
