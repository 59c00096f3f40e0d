//! Answers. A handler says what; how it is written is settled once its request is known.

use super::fault::Fault;
use super::listed::{Item, Listed};
use crate::model::JobId;
use crate::wire::{Document, Format, Frame, Resource, Version, convert, types, write};
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use std::fmt;

/// What a handler comes back with.
pub type Answer = Result<Reply, Fault>;

/// An answer before its format is chosen.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The path of a thing just made.
    location: Option<String>,
    content: Content,
}

enum Content {
    Empty,
    /// An action, which tells the job that it began.
    Action(Box<types::Action>),
    /// Written when the format is known.
    Document(Box<dyn FnOnce(Format, Version) -> Vec<u8> + Send>),
    /// Written already, in the request's format.
    Written(Bytes),
    /// A list of what was written already.
    Listed(Listed),
    /// No document of the API.
    Text(&'static str, Bytes),
}

impl Reply {
    fn new(status: StatusCode, content: Content) -> Self {
        Self { status, headers: Vec::new(), location: None, content }
    }

    fn document<T: Document + Send + 'static>(status: StatusCode, document: T) -> Self {
        Self::new(
            status,
            Content::Document(Box::new(move |format, version| write(&document, format, version))),
        )
    }

    pub fn ok<T: Document + Send + 'static>(document: T) -> Self {
        Self::document(StatusCode::OK, document)
    }

    /// A body that was written in the request's format and version before.
    pub fn written(body: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, Content::Written(body.into()))
    }

    /// A list of items that were written in the request's format and version before.
    pub fn listed(frame: Frame, items: Vec<Item>) -> Self {
        Self::new(StatusCode::OK, Content::Listed(Listed::new(frame, items)))
    }

    /// Something other than a document of the API.
    pub fn text(media: &'static str, text: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, Content::Text(media, text.into()))
    }

    /// The thing is made and lies where its document says.
    pub fn created<T: Resource + Send + 'static>(document: T) -> Self {
        let location = document.href().map(str::to_owned);
        Self { location, ..Self::document(StatusCode::CREATED, document) }
    }

    /// The thing is promised and still in the making.
    pub fn accepted<T: Document + Send + 'static>(document: T) -> Self {
        Self::document(StatusCode::ACCEPTED, document)
    }

    /// Done, and nothing is left to show.
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, Content::Empty)
    }

    /// The action, as it was sent, is done.
    pub fn complete(action: types::Action) -> Self {
        Self::new(StatusCode::OK, Content::Action(Box::new(ended(action, "complete"))))
    }

    /// The action, as it was sent, runs on.
    pub fn pending(action: types::Action) -> Self {
        Self::new(StatusCode::ACCEPTED, Content::Action(Box::new(ended(action, "pending"))))
    }

    /// The same answer for a client that does not wait for ends.
    pub fn not_waited_for(self) -> Self {
        Self { status: StatusCode::ACCEPTED, ..self }
    }

    /// The action, as it was sent, was refused.
    pub fn failed(action: types::Action, fault: &Fault) -> Self {
        // A ticket that was not set is none.
        let action = types::Action { fault: Some(fault.document()), ticket: None, ..ended(action, "failed") };
        let content = Content::Action(Box::new(action));
        Self { headers: fault.headers.clone(), ..Self::new(fault.status, content) }
    }

    /// An action's answer with the job that the request began.
    pub fn of_job(mut self, job: Option<JobId>) -> Self {
        if let (Content::Action(action), Some(job)) = (&mut self.content, job) {
            action.job = Some(convert::reference("jobs", job));
        }
        self
    }

    /// A method that is always allowed: which others are.
    pub fn allow(methods: HeaderValue) -> Self {
        Self::new(StatusCode::OK, Content::Empty).with(header::ALLOW, methods)
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The answer on the wire; `origin` is scheme and host as the client named them.
    pub fn into_response(self, format: Format, version: Version, origin: Option<&str>) -> Response<Body> {
        let media = match format {
            Format::Xml => "application/xml",
            Format::Json => "application/json",
        };
        let (media, body) = match self.content {
            Content::Empty => (None, Body::empty()),
            Content::Action(action) => (Some(media), write(&*action, format, version).into()),
            Content::Document(write) => (Some(media), write(format, version).into()),
            Content::Written(body) => (Some(media), body.into()),
            Content::Listed(body) => (Some(media), Body::new(body)),
            Content::Text(media, body) => (Some(media), body.into()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(self.headers);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(media) = media {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        }
        let location = self.location.map(|href| format!("{}{href}", origin.unwrap_or_default()));
        if let Some(location) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}

/// How it ended is for the engine to say.
fn ended(action: types::Action, state: &str) -> types::Action {
    types::Action { status: Some(state.to_owned()), fault: None, ..action }
}

impl From<&Fault> for Reply {
    fn from(fault: &Fault) -> Self {
        let said = fault.clone();
        let body = Content::Document(Box::new(move |format, version| said.body(format, version)));
        Self { headers: fault.headers.clone(), ..Self::new(fault.status, body) }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Action(_) => "Action",
            Self::Document(_) => "Document",
            Self::Written(_) => "Written",
            Self::Listed(_) => "Listed",
            Self::Text(..) => "Text",
        })
    }
}
