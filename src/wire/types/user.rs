//! Users, what they may do, and tags.

use super::*;

resource! {
    /// Somebody.
    User = "user" {
        domain: Option<Domain>,
        domain_entry_id: Option<String>,
        department: Option<String>,
        logged_in: Option<bool>,
        namespace: Option<String>,
        last_name: Option<String>,
        user_name: Option<String>,
        principal: Option<String>,
        password: Option<String>,
        email: Option<String>,
        roles: Option<Roles>,
        groups: Option<Groups>,
    }
}

collection! {
    /// A list of `user`.
    Users = "users" {
        user: Vec<User>,
    }
}

resource! {
    /// A group of a directory.
    Group = "group" {
        domain: Option<Domain>,
        domain_entry_id: Option<String>,
        namespace: Option<String>,
        roles: Option<Roles>,
    }
}

collection! {
    /// A list of `group`.
    Groups = "groups" {
        group: Vec<Group>,
    }
}

resource! {
    /// A directory of users; in a guest's definition, a Windows domain.
    Domain = "domain" {
        user: Option<DomainUser>,
    }
}

collection! {
    /// A list of `domain`.
    Domains = "domains" {
        domain: Vec<Domain>,
    }
}

part! {
    /// Who joins a guest to its domain.
    DomainUser {
        id: Option<String>,
        name: Option<String>,
        user_name: Option<String>,
        password: Option<String>,
    }
}

resource! {
    /// A set of permits.
    Role = "role" {
        mutable: Option<bool>,
        administrative: Option<bool>,
        user: Option<Ref>,
        permits: Option<Permits>,
    }
}

collection! {
    /// A list of `role`.
    Roles = "roles" {
        role: Vec<Role>,
    }
}

resource! {
    /// One thing that may be done.
    Permit = "permit" {
        administrative: Option<bool>,
        role: Option<Ref>,
    }
}

collection! {
    /// A list of `permit`.
    Permits = "permits" {
        permit: Vec<Permit>,
    }
}

resource! {
    /// A role of a user on something.
    Permission = "permission" {
        role: Option<Ref>,
        user: Option<User>,
        group: Option<Group>,
        data_center: Option<Ref>,
        cluster: Option<Ref>,
        host: Option<Ref>,
        storage_domain: Option<Ref>,
        vm: Option<Ref>,
        vm_pool: Option<Ref>,
        template: Option<Ref>,
        disk: Option<Ref>,
    }
}

collection! {
    /// A list of `permission`.
    Permissions = "permissions" {
        permission: Vec<Permission>,
        /// In a request: copy those of the source.
        clone: Option<bool>,
    }
}

resource! {
    /// A label on machines, hosts, templates or users.
    Tag = "tag" {
        host: Option<Ref>,
        vm: Option<Ref>,
        template: Option<Ref>,
        user: Option<Ref>,
        group: Option<Ref>,
        parent: Option<TagParent>,
    }
}

collection! {
    /// A list of `tag`.
    Tags = "tags" {
        tag: Vec<Tag>,
    }
}

part! {
    /// The tag above a tag.
    TagParent {
        tag: Option<Ref>,
    }
}

resource! {
    /// A public key of a user.
    SshPublicKey = "ssh_public_key" {
        content: Option<String>,
        user: Option<Ref>,
    }
}

collection! {
    /// A list of `ssh_public_key`.
    SshPublicKeys = "ssh_public_keys" {
        ssh_public_key: Vec<SshPublicKey>,
    }
}

resource! {
    /// A saved search.
    Bookmark = "bookmark" {
        value: Option<String>,
    }
}

collection! {
    /// A list of `bookmark`.
    Bookmarks = "bookmarks" {
        bookmark: Vec<Bookmark>,
    }
}
