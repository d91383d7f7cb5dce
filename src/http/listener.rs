//! Listeners, public and private: with the system's whole backlog, so that a crowd that connects at once
//! waits in the kernel, and no SYN is dropped and sent again a second later.

use std::{io, net::SocketAddr};

use tokio::net::TcpSocket;

/// As many as the system allows: it cuts this down to `net.core.somaxconn`. The standard library would
/// ask for 128.
const BACKLOG: u32 = 65_535;

/// Listens on an address.
///
/// # Errors
/// The address is taken or not ours.
pub fn bind(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    bound(addr)?.listen(BACKLOG)?.into_std()
}

/// Tries whether [`bind`] would succeed, without ever listening.
///
/// # Errors
/// The address is taken or not ours.
pub fn try_bind(addr: SocketAddr) -> io::Result<()> {
    bound(addr).map(drop)
}

fn bound(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // As the standard library does: a server that starts again gets its address back.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}
