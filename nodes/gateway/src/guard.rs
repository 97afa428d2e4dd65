//! Who may ask: checked before any handler runs.

mod host;
mod token;

pub(crate) use host::Hosts;
pub(crate) use token::Token;

use crate::api::Problem;
use crate::app::App;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};

/// Paths that anybody may ask for: they tell nothing but whether the server is there.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Lets a request through to its handler, or answers it with what is wrong.
pub(crate) async fn check<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let verdict = match request.app_data::<web::Data<App>>() {
        Some(app) => admit(request.path(), request.headers(), app),
        None => Err(crate::problem::internal("the gateway was put together without its parts")),
    };
    match verdict {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(problem) => Ok(request.into_response(problem.error_response()).map_into_right_body()),
    }
}

/// Whether a request may be answered.
pub(crate) fn admit(path: &str, headers: &HeaderMap, app: &App) -> Result<(), Problem> {
    if OPEN.contains(&path) {
        return Ok(());
    }
    app.hosts.check(one(headers, header::HOST)?, one(headers, header::ORIGIN)?)?;
    app.token.check(one(headers, header::AUTHORIZATION)?)
}

/// The header's value; a header given twice is refused, because two readers may take different ones.
fn one(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(&name);
    let (first, second) = (values.next(), values.next());
    let refuse = |what: &str| Err(crate::problem::bad_request(format!("the header `{name}` {what}")));
    match (first, second) {
        (_, Some(_)) => refuse("is given twice"),
        (None, None) => Ok(None),
        (Some(value), None) => {
            value.to_str().map_or_else(|_| refuse("is not plain text"), |text| Ok(Some(text)))
        }
    }
}
