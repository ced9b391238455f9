//! Which of the kinds the server has, by its own word.

use std::collections::BTreeMap;

use kube::{Client, api::ApiResource, core::GroupVersionKind};

use crate::{
    controller::error::Error,
    resolve::prometheus_operator::objects::{GROUP, Kind},
};

/// The kinds that are installed, each in the first version that has it, in the server's order of
/// versions. Where the group is not there, nothing is asked for that would be answered by a 404.
pub async fn kinds(client: &Client) -> Result<BTreeMap<Kind, ApiResource>, Error> {
    let groups = client
        .list_api_groups()
        .await
        .map_err(Error::doing("list the API groups"))?;
    let versions = groups
        .groups
        .into_iter()
        .find(|group| group.name == GROUP)
        .map(|group| group.versions)
        .unwrap_or_default();
    let mut found = BTreeMap::new();
    for version in versions {
        let listed = client
            .list_api_group_resources(&version.group_version)
            .await;
        let resources = listed.map_err(Error::doing(format!(
            "ask which kinds {} has",
            version.group_version
        )))?;
        for kind in Kind::ALL {
            let served = resources.resources.iter().any(|resource| {
                resource.kind == kind.name()
                    && resource.name == kind.plural()
                    && resource.verbs.iter().any(|verb| verb == "watch")
            });
            if served {
                let kind_of = GroupVersionKind::gvk(GROUP, &version.version, kind.name());
                let resource = ApiResource::from_gvk_with_plural(&kind_of, kind.plural());
                found.entry(kind).or_insert(resource);
            }
        }
    }
    Ok(found)
}
