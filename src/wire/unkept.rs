//! Descriptions and comments: by the schema every document may have both, and not every thing has.

use super::filled;

/// What has a comment, by its root element.
const COMMENTED: [&str; 9] = [
    "cluster",
    "data_center",
    "instance_type",
    "network",
    "storage_domain",
    "template",
    "vm",
    "vm_pool",
    "vnic_profile",
];

/// What has no description.
const UNDESCRIBED: [&str; 3] = ["bookmark", "nic", "watchdog"];

/// Which of the two a document has that its kind has not. Nothing of it is shown, so that who sends back
/// what it read says nothing of it either.
pub fn unkept(root: &str, description: &Option<String>, comment: &Option<String>) -> Option<&'static str> {
    if filled(comment).is_some() && !COMMENTED.contains(&root) {
        return Some("comment");
    }
    (filled(description).is_some() && UNDESCRIBED.contains(&root)).then_some("description")
}
