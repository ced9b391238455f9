//! The pods of a container runtime, from its own CRI socket: names, images and how much each
//! container has written. For hosts whose pods no API server tells.
//!
//! A scrape that sees a new container has the runtime asked, three questions over one connection
//! that ends with them; otherwise nothing is asked but every five minutes what was written.

mod client;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod messages;

use std::path::Path;
use std::time::Duration;

use super::told::Shared;
use client::Client;

/// How long the three answers may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks whenever it is wanted, for ever.
pub async fn follow(told: Shared, socket: &Path) {
    told.with(|told| told.cri.follows = true);
    let mut said = false;
    loop {
        told.cri_wanted().await;
        let asked = tokio::time::timeout(PATIENCE, ask(&told, socket)).await;
        let asked = asked.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in time")));
        match asked {
            Err(error) if !std::mem::replace(&mut said, true) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    socket = %socket.display(),
                    "cannot ask the container runtime; its containers have no names"
                );
            }
            Err(_) => {}
            Ok(()) => said = false,
        }
    }
}

async fn ask(told: &Shared, socket: &Path) -> anyhow::Result<()> {
    let mut client = Client::connect(socket).await?;
    let sandboxes = client.ask("ListPodSandbox").await?;
    let containers = client.ask("ListContainers").await?;
    let pods = messages::pods(&sandboxes, &containers);
    told.with(|told| told.replace_cri(pods));
    // Names are there also where the runtime has no figures.
    let written = messages::written(&client.ask("ListContainerStats").await?);
    told.with(|told| told.cri.written = written);
    Ok(())
}
