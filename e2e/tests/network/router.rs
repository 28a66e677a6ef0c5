//! A home's router, as far as UPnP goes (Internet Gateway Device 1): it answers who looks for it, says its address on the
//! internet, and maps TCP ports of that address to hosts of the home. UDP it refuses.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use e2e::netns::Namespace;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::oneshot;

/// Where routers are looked for.
const SEARCHED: (Ipv4Addr, u16) = (Ipv4Addr::new(239, 255, 255, 250), 1900);
const SERVICE: &str = "urn:schemas-upnp-org:service:WANIPConnection:1";
/// What a mapping is made of.
const FIELDS: [&str; 8] = [
    "NewRemoteHost",
    "NewExternalPort",
    "NewProtocol",
    "NewInternalPort",
    "NewInternalClient",
    "NewEnabled",
    "NewPortMappingDescription",
    "NewLeaseDuration",
];

/// Runs until it is dropped.
pub struct Router {
    carried: Arc<AtomicU64>,
    _stop: oneshot::Sender<()>,
}

impl Router {
    /// On a host that the home reaches at `inside` and the internet at `outside`.
    pub fn start(host: &Namespace, inside: Ipv4Addr, outside: Ipv4Addr) -> Self {
        let (stop, stopped) = oneshot::channel();
        let carried = Arc::<AtomicU64>::default();
        let home = Home { outside, carried: Arc::clone(&carried) };
        let work = || {
            let web = std::net::TcpListener::bind((inside, 0)).unwrap();
            let search = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, SEARCHED.1)).unwrap();
            search.join_multicast_v4(&SEARCHED.0, &inside).unwrap();
            web.set_nonblocking(true).unwrap();
            search.set_nonblocking(true).unwrap();
            // A thread is where the one is that starts it, and so are its sockets.
            std::thread::spawn(move || home.run(web, search, stopped));
        };
        host.inside(work).unwrap();
        Self { carried, _stop: stop }
    }

    /// Connections that were passed on to hosts of the home so far.
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Home {
    outside: Ipv4Addr,
    carried: Arc<AtomicU64>,
}

impl Home {
    fn run(self, web: std::net::TcpListener, search: std::net::UdpSocket, stopped: oneshot::Receiver<()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let web = TcpListener::from_std(web).unwrap();
            let search = UdpSocket::from_std(search).unwrap();
            let address = web.local_addr().unwrap();
            tokio::select! {
                () = is_found(&search, address) => {}
                () = self.serve(&web) => {}
                _ = stopped => {}
            }
        });
    }

    async fn serve(&self, web: &TcpListener) {
        loop {
            let (stream, _) = web.accept().await.unwrap();
            let home = self.clone();
            let service = service_fn(move |request| home.clone().answer(request));
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let action =
            request.headers().get("soapaction").map(|value| value.to_str().unwrap().trim_matches('"').to_owned());
        let text = match (request.uri().path(), action) {
            ("/", _) => description(),
            ("/actions", _) => actions(),
            ("/control", Some(action)) => {
                let body = request.into_body().collect().await?.to_bytes();
                let asked = String::from_utf8(body.to_vec()).unwrap();
                self.act(action.rsplit_once('#').unwrap().1, &asked).await
            }
            (path, _) => panic!("a router is not asked for {path}"),
        };
        Ok(Response::new(Full::new(text.into())))
    }

    async fn act(&self, action: &str, asked: &str) -> String {
        match action {
            "GetExternalIPAddress" => {
                done(action, &format!("<NewExternalIPAddress>{}</NewExternalIPAddress>", self.outside))
            }
            "AddPortMapping" if field(asked, "NewProtocol") == "TCP" => {
                let inner: Ipv4Addr = field(asked, "NewInternalClient").parse().unwrap();
                let port = field(asked, "NewInternalPort").parse().unwrap();
                self.map(field(asked, "NewExternalPort").parse().unwrap(), (inner, port).into()).await;
                done(action, "")
            }
            _ => fault(),
        }
    }

    async fn map(&self, port: u16, to: SocketAddr) {
        let listener = TcpListener::bind((self.outside, port)).await.unwrap();
        let carried = Arc::clone(&self.carried);
        tokio::spawn(async move {
            loop {
                let (mut outer, _) = listener.accept().await.unwrap();
                carried.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut inner = TcpStream::connect(to).await?;
                    copy_bidirectional(&mut outer, &mut inner).await
                });
            }
        });
    }
}

/// Tells everybody who looks for a router where its description is.
async fn is_found(search: &UdpSocket, web: SocketAddr) {
    let mut asked = [0; 1024];
    loop {
        let (len, from) = search.recv_from(&mut asked).await.unwrap();
        if asked[..len].starts_with(b"M-SEARCH") {
            let answer = format!("HTTP/1.1 200 OK\r\nLocation: http://{web}/\r\n\r\n");
            search.send_to(answer.as_bytes(), from).await.unwrap();
        }
    }
}

fn description() -> String {
    let service =
        format!("<serviceType>{SERVICE}</serviceType><SCPDURL>/actions</SCPDURL><controlURL>/control</controlURL>");
    format!("<root><device><serviceList><service>{service}</service></serviceList></device></root>")
}

fn actions() -> String {
    let argument = |name| format!("<argument><name>{name}</name><direction>in</direction></argument>");
    let arguments: String = FIELDS.map(argument).concat();
    let add = format!("<action><name>AddPortMapping</name><argumentList>{arguments}</argumentList></action>");
    format!("<scpd><actionList>{add}</actionList></scpd>")
}

fn done(action: &str, result: &str) -> String {
    envelope(&format!("<u:{action}Response xmlns:u=\"{SERVICE}\">{result}</u:{action}Response>"))
}

fn fault() -> String {
    let error = "<errorCode>501</errorCode><errorDescription>ActionFailed</errorDescription>";
    envelope(&format!("<s:Fault><detail><UPnPError>{error}</UPnPError></detail></s:Fault>"))
}

fn envelope(body: &str) -> String {
    let soap = "http://schemas.xmlsoap.org/soap/envelope/";
    format!("<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"{soap}\"><s:Body>{body}</s:Body></s:Envelope>")
}

/// The text of an element.
fn field<'a>(xml: &'a str, name: &str) -> &'a str {
    let after = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}: {xml}")).1;
    after.split_once('<').unwrap().0
}
