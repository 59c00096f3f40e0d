//! The description of the API: every address, what may be done there, and with what.

use super::*;

part! {
    /// All of it.
    Rsdl {
        href: Option<String>,
        rel: Option<String>,
        description: Option<String>,
        version: Option<VersionNumber>,
        schema: Option<RsdlSchema>,
        general: Option<RsdlGeneral>,
        links: Option<RsdlLinks>,
    }
}

impl crate::wire::Document for Rsdl {
    const ROOT: &'static str = "rsdl";
}

part! {
    /// Where the schema is.
    RsdlSchema {
        href: Option<String>,
        rel: Option<String>,
        name: Option<String>,
        description: Option<String>,
    }
}

part! {
    /// What holds for every address.
    RsdlGeneral {
        href: Option<String>,
        rel: Option<String>,
        description: Option<String>,
        request: Option<RsdlRequest>,
        name: Option<String>,
    }
}

part! {
    /// A list of `link`.
    RsdlLinks {
        link: Vec<RsdlLink>,
    }
}

part! {
    /// Something that may be done at an address.
    RsdlLink {
        href: Option<String>,
        rel: Option<String>,
        description: Option<String>,
        request: Option<RsdlRequest>,
        response: Option<RsdlResponse>,
    }
}

part! {
    /// How it is asked for.
    RsdlRequest {
        http_method: Option<String>,
        headers: Option<RsdlHeaders>,
        url: Option<RsdlUrl>,
        body: Option<RsdlBody>,
    }
}

part! {
    /// A list of `header`.
    RsdlHeaders {
        header: Vec<RsdlHeader>,
    }
}

part! {
    /// A header and what it may say.
    RsdlHeader {
        required: Option<bool>,
        name: Option<String>,
        value: Option<String>,
    }
}

part! {
    /// What an address may carry.
    RsdlUrl {
        parameters_set: Vec<RsdlParameters>,
    }
}

part! {
    /// Parameters that go together.
    RsdlParameters {
        parameter: Vec<RsdlParameter>,
    }
}

part! {
    /// A parameter of an address.
    RsdlParameter {
        required: Option<bool>,
        r#type: Option<String>,
        context: Option<String>,
        name: Option<String>,
        value: Option<String>,
    }
}

part! {
    /// The document that is sent.
    RsdlBody {
        required: Option<bool>,
        r#type: Option<String>,
    }
}

part! {
    /// The document that comes back.
    RsdlResponse {
        r#type: Option<String>,
    }
}
