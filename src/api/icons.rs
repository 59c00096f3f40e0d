//! `/icons`: the pictures of families of operating systems, and those that machines were given.

use super::access;
use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::{Error, Kind, Result};
use crate::model::*;
use crate::wire::convert;
use crate::wire::filled;
use crate::wire::types;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Large and small.
fn pictures(family: Family) -> (&'static [u8], &'static [u8]) {
    macro_rules! both {
        ($name:literal) => {
            (
                include_bytes!(concat!("icons/", $name, "-large.png")),
                include_bytes!(concat!("icons/", $name, "-small.png")),
            )
        };
    }
    match family {
        Family::Linux => both!("linux"),
        Family::Windows => both!("windows"),
        Family::Other => both!("other"),
    }
}

fn document(id: IconId, picture: &Icon) -> types::Icon {
    types::Icon {
        media_type: Some(picture.media_type.clone()),
        data: Some(picture.data.clone()),
        ..convert::icon(id)
    }
}

/// Those of families, which are always there.
fn of_families() -> impl Iterator<Item = (IconId, Arc<Icon>)> {
    Family::ALL.into_iter().flat_map(|family| {
        let (large, small) = pictures(family);
        let icon =
            |bytes| Arc::new(Icon { media_type: "image/png".into(), data: BASE64_STANDARD.encode(bytes) });
        [(family.large(), icon(large)), (family.small(), icon(small))]
    })
}

/// Those of machines that are to be seen.
fn of_machines(app: &App, shown: impl Fn(Object) -> bool) -> BTreeMap<IconId, Arc<Icon>> {
    let world = app.engine.world();
    let vms = world.vms.values().filter(|vm| vm.spec.icon.is_some() || vm.next_run.is_some());
    let vms = vms
        .flat_map(|vm| [(Some(vm.id.into()), Some(&vm.spec)), (Some(vm.id.into()), vm.next_run.as_deref())]);
    let templates = world.templates.values().map(|it| (Some(it.id.into()), Some(&it.spec)));
    let types = world.instance_types.values().map(|it| (None, Some(&it.spec)));
    let all: Vec<(Option<Object>, Arc<Icon>)> = vms
        .chain(templates)
        .chain(types)
        .filter_map(|(owner, spec)| match &spec?.icon {
            Some(IconChoice::Own(icon)) => Some((owner, icon.clone())),
            _ => None,
        })
        .collect();
    drop(world);
    let all = all.into_iter().filter(|(owner, _)| owner.is_none_or(&shown));
    all.map(|(_, icon)| (icon.id(), icon)).collect()
}

fn seen(app: &App, request: &Request) -> BTreeMap<IconId, Arc<Icon>> {
    of_families().chain(of_machines(app, |object| access::shows(app, request, object))).collect()
}

/// `GET /icons`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let all = seen(&app, &request);
    let wanted = all.iter().take(request.max.unwrap_or(usize::MAX));
    let icon = wanted.map(|(id, icon)| document(*id, icon)).collect();
    Ok(Reply::ok(types::Icons { icon, ..Default::default() }))
}

/// `GET /icons/{icon}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let id: IconId = request.id("icon")?;
    let icon = seen(&app, &request).remove(&id).ok_or_else(|| Fault::from(Error::not_found(id)))?;
    Ok(Reply::ok(document(id, &icon)))
}

/// Gives a machine the picture that the document carries, or those that it names.
pub fn choose(app: &App, asked: &types::Vm, spec: &mut VmSpec) -> Result<()> {
    let id = |icon: &Option<types::Icon>| icon.as_ref().and_then(|icon| filled(&icon.id).map(str::to_owned));
    let (small, large) = (id(&asked.small_icon), id(&asked.large_icon));
    let data = asked.large_icon.as_ref().and_then(|icon| filled(&icon.data));
    let media_type = asked.large_icon.as_ref().and_then(|icon| filled(&icon.media_type));
    match (small, large, media_type, data) {
        (None, None, None, None) => Ok(()),
        (None, None, Some(media_type), Some(data)) => {
            // Clients break base64 into lines.
            let data = data.chars().filter(|c| !c.is_whitespace()).collect();
            let icon = Icon { media_type: media_type.to_lowercase(), data };
            icon.check().map_err(Error::invalid)?;
            spec.icon = Some(IconChoice::Own(Arc::new(icon)));
            Ok(())
        }
        // Who sends back a machine's pictures means no change.
        (Some(small), Some(large), None, None) => {
            let (small, large): (IconId, IconId) =
                (convert::parse_id(&small, "Icon")?, convert::parse_id(&large, "Icon")?);
            let present = spec.icon();
            if (present.small(), present.large()) == (small, large) {
                return Ok(());
            }
            spec.icon = Some(named(app, small, large)?);
            Ok(())
        }
        _ => Err(Error::new(
            Kind::Value,
            "Invalid icon parameters: a machine takes small_icon and large_icon by their ids, or large_icon \
             with its media_type and data.",
        )),
    }
}

fn named(app: &App, small: IconId, large: IconId) -> Result<IconChoice> {
    if let Some(family) = Family::ALL.into_iter().find(|it| (it.small(), it.large()) == (small, large)) {
        return Ok(IconChoice::Family(family));
    }
    let own = of_machines(app, |_| true).remove(&large).filter(|_| small == large);
    own.map(IconChoice::Own).ok_or_else(|| Error::not_found(format!("Icon: id={large}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_that_are_built_in_are_as_allowed() {
        assert_eq!(of_families().count(), 6);
        for (_, icon) in of_families() {
            assert_eq!(icon.check(), Ok(()));
        }
    }
}
