//! `/vnicprofiles`, `/diskprofiles` and `/cpuprofiles`, which differ in nothing but what they belong to.

use super::app::App;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::rows;
use super::search::{self, Searched};
use crate::error::Error;
use crate::model::{CpuProfile, DiskProfile, Object, VnicProfile};
use crate::wire::convert;
use crate::wire::types;
use std::sync::Arc;

macro_rules! profiles {
    ($($row:ident in $rows:ident is $document:path, $list:ident of $item:ident: $some:ident $one:ident $all:ident $show:ident;)+) => {$(
        impl Searched for $row {
            const FIELDS: &'static [&'static str] = &["name", "id"];

            fn object(&self) -> Option<Object> {
        Some(self.id.into())
    }

    fn field(&self, _: &App, name: &str) -> Option<String> {
                match name {
                    "name" => Some(self.name.clone()),
                    "id" => Some(self.id.to_string()),
                    _ => None,
                }
            }
        }

        /// Those profiles that the request asks for.
        pub fn $some(app: &App, request: &Request, wanted: impl Fn(&$row) -> bool) -> Answer {
            let all = rows::by_name(&app.engine.world().$rows, |row| &row.name, wanted);
            let found = search::select(app, request, all)?;
            let $item = found.iter().map($document).collect();
            Ok(Reply::ok(types::$list { $item, ..Default::default() }))
        }

        /// The profile of the path, if it is one of those.
        pub fn $one(app: &App, request: &Request, wanted: impl Fn(&$row) -> bool) -> Answer {
            let row = rows::one(&app.engine.world().$rows, request, "profile")?;
            match wanted(&row) {
                true => Ok(Reply::ok($document(&row))),
                false => Err(Error::not_found(row.id).into()),
            }
        }

        /// `GET` of the collection.
        pub async fn $all(app: Arc<App>, request: Request) -> Answer {
            $some(&app, &request, |_| true)
        }

        /// `GET` of an item.
        pub async fn $show(app: Arc<App>, request: Request) -> Answer {
            $one(&app, &request, |_| true)
        }
    )+};
}

profiles! {
    VnicProfile in vnic_profiles is convert::vnic_profile,
        VnicProfiles of vnic_profile: some_vnic one_vnic list_vnic show_vnic;
    DiskProfile in disk_profiles is convert::disk_profile,
        DiskProfiles of disk_profile: some_disk one_disk list_disk show_disk;
    CpuProfile in cpu_profiles is convert::cpu_profile,
        CpuProfiles of cpu_profile: some_cpu one_cpu list_cpu show_cpu;
}
