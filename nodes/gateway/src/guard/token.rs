//! The bearer token.

use crate::api::Problem;
use subtle::ConstantTimeEq;
use tidegate_store::Digest;

/// What a client must present.
pub(crate) struct Token(Digest);

impl Token {
    pub(crate) fn new(secret: &str) -> Token {
        Token(Digest::of(secret.as_bytes()))
    }

    /// Checks the header `Authorization`. What is compared are digests, in constant time, so that the time taken
    /// tells neither the token's length nor its first letters.
    pub(crate) fn check(&self, authorization: Option<&str>) -> Result<(), Problem> {
        let Some(header) = authorization else {
            return Err(unauthorized(
                "the request has no `Authorization: Bearer TOKEN`; the token is in the file `token` of the server's data folder",
            ));
        };
        let given = header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| Digest::of(token.trim().as_bytes()));
        match given {
            Some(given) if bool::from(given.as_bytes().ct_eq(self.0.as_bytes())) => Ok(()),
            Some(_) => {
                Err(unauthorized("the token is not this server's; was it started on another data folder?"))
            }
            None => Err(unauthorized("the header `Authorization` is not of the form `Bearer TOKEN`")),
        }
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(401, "unauthorized", "The request needs a token", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_alone_opens() {
        let token = Token::new("s3cret");
        assert!(token.check(Some("Bearer s3cret")).is_ok());
        assert!(token.check(Some("bearer s3cret")).is_ok());
        for wrong in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer s3cre"),
            Some("Basic s3cret"),
            Some("s3cret"),
        ] {
            let problem = token.check(wrong).unwrap_err();
            assert_eq!(problem.status, 401, "{wrong:?}");
            assert!(!problem.detail.contains("s3cret"));
        }
    }
}
