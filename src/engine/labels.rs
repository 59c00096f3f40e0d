//! Tags and bookmarks.

use super::Engine;
use super::world::{Change, World};
use crate::error::{Error, Result};
use crate::model::access::check_name;
use crate::model::*;

/// What a client says of a tag; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct TagChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub parent: Option<TagId>,
}

fn check_tag(world: &World, tag: &Tag) -> Result<()> {
    check_name("tag", &tag.name).map_err(Error::invalid)?;
    if world.tags.values().any(|other| other.id != tag.id && other.name == tag.name) || tag.name == "root" {
        return Err(Error::conflict("Cannot add Tag. The name is already in use."));
    }
    // Upwards one comes to the root, and never back.
    let mut at = tag.parent;
    while at != ROOT_TAG {
        if at == tag.id {
            return Err(Error::conflict("Cannot move Tag. A tag cannot be below itself."));
        }
        at = world.tags.get(&at).ok_or_else(|| Error::not_found(format!("Tag: id={at}")))?.parent;
    }
    Ok(())
}

/// A tag and all that are below it.
fn below(world: &World, tag: TagId) -> Vec<TagId> {
    let mut found = vec![tag];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(world.tags.values().filter(|tag| tag.parent == parent).map(|tag| tag.id));
        next += 1;
    }
    found
}

impl Engine {
    pub async fn add_tag(&self, change: TagChange) -> Result<TagId> {
        let tag = Tag {
            id: TagId::random(),
            name: change.name.unwrap_or_default(),
            description: change.description.unwrap_or_default(),
            parent: change.parent.unwrap_or(ROOT_TAG),
        };
        let (id, name) = (tag.id, tag.name.clone());
        self.record(|world| check_tag(world, &tag).map(|()| vec![Change::Tag(tag)])).await?;
        self.tell(Code::TAG_ADDED, About::default(), format!("Tag {name} was added."));
        Ok(id)
    }

    pub async fn update_tag(&self, id: TagId, change: TagChange) -> Result<()> {
        if id == ROOT_TAG {
            return Err(Error::conflict("Cannot update Tag. The root tag never changes."));
        }
        self.record(|world| {
            let before = world.tags.get(&id).ok_or_else(|| Error::not_found(id))?;
            let tag = Tag {
                id,
                name: change.name.unwrap_or_else(|| before.name.clone()),
                description: change.description.unwrap_or_else(|| before.description.clone()),
                parent: change.parent.unwrap_or(before.parent),
            };
            check_tag(world, &tag)?;
            Ok(if tag == *before { vec![] } else { vec![Change::Tag(tag)] })
        })
        .await?;
        self.tell(Code::TAG_UPDATED, About::default(), format!("Tag {} was updated.", self.tag_name(id)));
        Ok(())
    }

    /// Removes a tag with all that are below it.
    pub async fn remove_tag(&self, id: TagId) -> Result<()> {
        if id == ROOT_TAG {
            return Err(Error::conflict("Cannot remove Tag. The root tag stays."));
        }
        let name = self.tag_name(id);
        self.record(|world| {
            world.tags.get(&id).ok_or_else(|| Error::not_found(id))?;
            // Leaves first: a tag's parent must be there.
            Ok(below(world, id).into_iter().rev().map(Change::DropTag).collect())
        })
        .await?;
        self.tell(Code::TAG_REMOVED, About::default(), format!("Tag {name} was removed."));
        Ok(())
    }

    fn tag_name(&self, id: TagId) -> String {
        self.world().tags.get(&id).map_or_else(|| "root".into(), |tag| tag.name.clone())
    }

    /// The tags of an object by their names.
    pub fn tags_of(&self, object: Object) -> Vec<Tag> {
        let world = self.world();
        let tagged = world.tagged.iter().filter(|it| (it.kind, it.object) == (object.kind, object.id));
        let mut tags: Vec<Tag> = tagged.filter_map(|it| world.tags.get(&it.tag)).cloned().collect();
        tags.sort_by(|a, b| a.name.cmp(&b.name));
        tags
    }

    /// What an object is found by: the names of its tags, and of all above them.
    pub fn tag_names_over(&self, object: Object) -> Vec<String> {
        let tags = self.tags_of(object);
        let world = self.world();
        let over = |tag: Tag| std::iter::successors(Some(tag), |tag| world.tags.get(&tag.parent).cloned());
        let mut names: Vec<String> = tags.into_iter().flat_map(over).map(|tag| tag.name).collect();
        names.sort();
        names.dedup();
        names
    }

    pub async fn attach_tag(&self, tag: TagId, object: Object) -> Result<()> {
        let tagged = Tagged { tag, kind: object.kind, object: object.id };
        let mut is_new = false;
        self.record(|world| {
            world.tags.get(&tag).ok_or_else(|| Error::not_found(tag))?;
            // Clients attach what may be attached already.
            is_new = !world.tagged.contains(&tagged);
            Ok(is_new.then_some(Change::Tagged(tagged)).into_iter().collect())
        })
        .await?;
        if !is_new {
            return Ok(());
        }
        self.touch_object(object);
        self.tell(
            Code::TAG_ATTACHED,
            self.about_object(object),
            format!("Tag {} was attached.", self.tag_name(tag)),
        );
        Ok(())
    }

    pub async fn detach_tag(&self, tag: TagId, object: Object) -> Result<()> {
        let tagged = Tagged { tag, kind: object.kind, object: object.id };
        self.record(|world| match world.tagged.contains(&tagged) {
            true => Ok(vec![Change::DropTagged(tagged)]),
            false => Err(Error::not_found(tag)),
        })
        .await?;
        self.touch_object(object);
        self.tell(
            Code::TAG_DETACHED,
            self.about_object(object),
            format!("Tag {} was detached.", self.tag_name(tag)),
        );
        Ok(())
    }

    fn touch_object(&self, object: Object) {
        if object.kind == ObjectKind::Vm {
            self.inventory.touch(VmId(object.id));
        }
    }

    pub(super) fn about_object(&self, object: Object) -> About {
        match object.kind {
            ObjectKind::Vm => self.about_vm(VmId(object.id)),
            ObjectKind::Host => self.world().about_host(),
            _ => About::default(),
        }
    }

    pub async fn add_bookmark(&self, name: String, value: String) -> Result<BookmarkId> {
        let bookmark = Bookmark { id: BookmarkId::random(), name, value };
        let id = bookmark.id;
        self.record(|world| put_bookmark(world, bookmark)).await?;
        Ok(id)
    }

    pub async fn update_bookmark(
        &self,
        id: BookmarkId,
        name: Option<String>,
        value: Option<String>,
    ) -> Result<()> {
        self.record(|world| {
            let mut bookmark = world.bookmarks.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
            bookmark.name = name.unwrap_or(bookmark.name);
            bookmark.value = value.unwrap_or(bookmark.value);
            put_bookmark(world, bookmark)
        })
        .await
    }

    pub async fn remove_bookmark(&self, id: BookmarkId) -> Result<()> {
        self.record(|world| match world.bookmarks.contains_key(&id) {
            true => Ok(vec![Change::DropBookmark(id)]),
            false => Err(Error::not_found(id)),
        })
        .await
    }
}

fn put_bookmark(world: &World, bookmark: Bookmark) -> Result<Vec<Change>> {
    check_name("bookmark", &bookmark.name).map_err(Error::invalid)?;
    if bookmark.value.is_empty() || bookmark.value.len() > 300 {
        return Err(Error::invalid("The value of a bookmark has 1 to 300 characters."));
    }
    match world.bookmarks.values().any(|it| it.id != bookmark.id && it.name == bookmark.name) {
        true => Err(Error::conflict("Cannot add Bookmark. The name is already in use.")),
        false => Ok(vec![Change::Bookmark(bookmark)]),
    }
}
