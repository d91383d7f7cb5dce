//! Reading and writing a connection, as the HTTP server does it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, Late, Phase, requests::Cut};

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_http2() {
            if let Some(cut) = self.requests.cut() {
                return Poll::Ready(Err(self.end(cut)));
            }
            self.requests.wake_to_end(cx);
        }
        if let Phase::Over = self.phase {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        // A client that does not take its answers is not read from: each request would be one answer more.
        let read = if self.is_http2() && self.write_due.is_some() {
            Poll::Pending
        } else {
            Pin::new(&mut self.io).poll_read(cx, buffer)
        };
        match &read {
            Poll::Ready(Ok(())) => {
                self.has_read(&buffer.filled()[before..]);
                if let Some(cut) = self.requests.cut() {
                    return Poll::Ready(Err(self.end(cut)));
                }
            }
            Poll::Ready(Err(_)) => self.has_ended = true,
            Poll::Pending => match self.poll_late(cx) {
                Poll::Ready(Late::Client) => {
                    self.give_up(cx);
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Late::Reader) => {
                    self.requests.cut_off(Cut::Unread);
                    return Poll::Ready(Err(self.end(Cut::Unread)));
                }
                Poll::Pending => {}
            },
        }
        read
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(cut) = self.requests.cut() {
            return Poll::Ready(Err(self.end(cut)));
        }
        let most = if self.instead.is_none() {
            self.replace(bytes)
        } else {
            0
        };
        let written = if self.instead.is_some() {
            self.poll_instead(cx)
        } else {
            Pin::new(&mut self.io).poll_write(cx, &bytes[..most])
        };
        self.has_tried_to_write(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_some() || !self.settings_sent {
            let first = parts.iter().find(|part| !part.is_empty());
            return self.poll_write(cx, first.map_or(&[], |part| part));
        }
        if let Some(cut) = self.requests.cut() {
            return Poll::Ready(Err(self.end(cut)));
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        self.has_tried_to_write(cx, written)
    }
}
