//! Reaching machines: through the guard, or however a test wants it.

use async_trait::async_trait;
use im_cloud::net::{Guard, NetError, Purpose};
use std::{fmt, net::IpAddr};
use tokio::io::{AsyncRead, AsyncWrite};

/// Both directions of a connection.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Wire for T {}

/// Opens connections to machines. The service's is [`Guard`], which refuses what it must not reach.
#[async_trait]
pub trait Dial: fmt::Debug + Send + Sync {
    /// A connection to this port.
    async fn dial(&self, ip: IpAddr, port: u16) -> Result<Box<dyn Wire>, NetError>;
}

#[async_trait]
impl Dial for Guard {
    async fn dial(&self, ip: IpAddr, port: u16) -> Result<Box<dyn Wire>, NetError> {
        let stream = self.connect_tcp(&ip.to_string(), port, Purpose::Node).await?;
        Ok(Box::new(stream))
    }
}
