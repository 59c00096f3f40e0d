//! Templates.

use super::*;
use crate::wire::Date;

machine! {
    /// What machines are made of.
    Template = "template" {
        vm: Option<Box<Vm>>,
        version: Option<TemplateVersion>,
        permissions: Option<Permissions>,
    }
}

collection! {
    /// A list of `template`.
    Templates = "templates" {
        template: Vec<Template>,
    }
}

machine! {
    /// A size of machine.
    InstanceType = "instance_type" {
        vm: Option<Box<Vm>>,
    }
}

collection! {
    /// A list of `instance_type`.
    InstanceTypes = "instance_types" {
        instance_type: Vec<InstanceType>,
    }
}

part! {
    /// One of several templates of a name.
    TemplateVersion {
        base_template: Option<Ref>,
        version_number: Option<i32>,
        version_name: Option<String>,
    }
}
