//! The page on a loopback address.
//!
//! The files of one folder are served ([`files_of`]), and every answer says `Cache-Control: no-cache`: the
//! browser asks again each time, so that a rebuilt page is what one sees.

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::http::{HeaderValue, header};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use tokio::runtime::Runtime;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// Where the page is when nobody asks for another port.
const USUAL_PORT: u16 = 7007;
/// How many ports after the usual one are tried before any free one is taken.
const NEIGHBOURS: u16 = 20;

/// Listens on `port` of the loopback address; on the usual port or the next free one when none is
/// asked for.
pub fn bind(port: Option<u16>) -> Result<TcpListener> {
    let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    if let Some(port) = port {
        return match listen(port) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                bail!("port {port} is taken by another program: give another --port, or none to get a free one")
            }
            result => result.with_context(|| format!("cannot listen on port {port}")),
        };
    }
    (USUAL_PORT..=USUAL_PORT + NEIGHBOURS)
        .chain([0])
        .find_map(|port| listen(port).ok())
        .context("no port of the loopback address is free")
}

/// Serves `app` until the process is interrupted.
pub fn serve(listener: TcpListener, app: Router) -> Result<()> {
    Runtime::new()?.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, app).await
    })?;
    Ok(())
}

/// A server beside the caller's own work; it ends when this is dropped.
pub struct Background {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Background {
    /// Serves `app` on any free port.
    pub fn start(app: Router) -> Result<Self> {
        let listener = bind(Some(0))?;
        let address = listener.local_addr()?;
        let runtime = Runtime::new()?;
        listener.set_nonblocking(true)?;
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        runtime.spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, _runtime: runtime })
    }

    /// Address of the page, with a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

/// The files of a folder.
pub fn files_of(folder: &Path) -> Router {
    Router::new()
        .fallback_service(ServeDir::new(folder))
        .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-cache")))
}
