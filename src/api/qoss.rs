//! `/datacenters/{data_center}/qoss`: how fast disks may be.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::{lookup, rows};
use crate::engine::{QosChange, RatesChange};
use crate::error::{Error, Kind};
use crate::model::{DataCenterId, Qos};
use crate::wire::types::{self, Action};
use crate::wire::{convert, filled, require};
use std::sync::Arc;

fn place(app: &App, request: &Request) -> Result<DataCenterId, Fault> {
    rows::one(&app.engine.world().data_centers, request, "data_center").map(|row| row.id)
}

fn named(app: &App, request: &Request) -> Result<Qos, Fault> {
    let place = place(app, request)?;
    let qos = rows::one(&app.engine.world().qoss, request, "qos")?;
    if qos.data_center == place { Ok(qos) } else { Err(Error::not_found(qos.id).into()) }
}

fn change(asked: types::Qos) -> Result<QosChange, Fault> {
    let kind = filled(&asked.r#type).unwrap_or("storage").to_lowercase();
    match kind.as_str() {
        "storage" => {}
        "cpu" | "network" | "hostnetwork" => {
            let why = format!("Cannot add QoS. A QoS of the type {kind} is not enforced on this host.");
            return Err(Error::unsupported(why).into());
        }
        other => {
            let known = "Possible values for QosType are: storage, cpu, network, hostnetwork";
            return Err(
                Error::new(Kind::Value, format!("{other} is not a member of QosType. {known}")).into()
            );
        }
    }
    let rate = |asked: Option<i32>| {
        let wrong = |_| Error::new(Kind::Value, "A limit of a QoS is a number of at least 0.");
        asked.map(u32::try_from).transpose().map_err(wrong)
    };
    Ok(QosChange {
        name: asked.name,
        description: asked.description,
        throughput: RatesChange {
            total: rate(asked.max_throughput)?,
            read: rate(asked.max_read_throughput)?,
            write: rate(asked.max_write_throughput)?,
        },
        requests: RatesChange {
            total: rate(asked.max_iops)?,
            read: rate(asked.max_read_iops)?,
            write: rate(asked.max_write_iops)?,
        },
    })
}

/// `GET .../qoss`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let place = place(&app, &request)?;
    let mut all = rows::by_name(&app.engine.world().qoss, |row| &row.name, |row| row.data_center == place);
    all.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(types::Qoss { qos: all.iter().map(convert::qos).collect(), ..Default::default() }))
}

/// `GET .../qoss/{qos}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(convert::qos(&named(&app, &request)?)))
}

/// `POST .../qoss`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let place = place(&app, &request)?;
    let asked: types::Qos = request.document().await?;
    require("QoS", "add", &[("name", filled(&asked.name).is_some())])?;
    let id = app.engine.add_qos(place, change(asked)?).await?;
    let qos = app.engine.world().qoss.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::created(convert::qos(&qos)))
}

/// `PUT .../qoss/{qos}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?.id;
    let asked: types::Qos = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    app.engine.update_qos(id, change(asked)?).await?;
    Ok(Reply::ok(convert::qos(&named(&app, &request)?)))
}

/// `DELETE .../qoss/{qos}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?.id;
    request.optional::<Action>().await?;
    app.engine.remove_qos(id).await?;
    Ok(Reply::no_content())
}
