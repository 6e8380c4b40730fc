//! A name server of the test's own, which gives every question the same reply.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::dns::NameServers;

/// What is replied.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// SRV records: priority, weight, port and target.
    Records(Vec<(u16, u16, u16, &'static str)>),
    /// A failure.
    Code(ResponseCode),
}

/// Runs until it is dropped.
pub(crate) struct NameServer {
    address: SocketAddr,
    questions: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl NameServer {
    pub(crate) async fn start(reply: Reply) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let questions = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&questions);
        let task = tokio::spawn(async move {
            let mut bytes = [0; 4096];
            loop {
                let (count, from) = socket.recv_from(&mut bytes).await.unwrap();
                let asked = Message::from_vec(&bytes[..count]).unwrap();
                let query = &asked.queries[0];
                heard.lock().unwrap().push(format!("{} {}", query.name(), query.query_type()));
                socket.send_to(&answer(asked, &reply).to_vec().unwrap(), from).await.unwrap();
            }
        });
        Self { address, questions, task }
    }

    /// This one is to be asked.
    pub(crate) fn asked(&self) -> NameServers {
        NameServers::At(self.address)
    }

    /// What it was asked: name and type.
    pub(crate) fn questions(&self) -> Vec<String> {
        self.questions.lock().unwrap().clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(asked: Message, reply: &Reply) -> Message {
    let name = asked.queries[0].name().clone();
    let mut answer = asked.into_response();
    match reply {
        Reply::Records(records) => {
            for &(priority, weight, port, target) in records {
                let target = Name::from_ascii(target).unwrap();
                let data = RData::SRV(SRV::new(priority, weight, port, target));
                answer.add_answer(Record::from_rdata(name.clone(), 60, data));
            }
        }
        Reply::Code(code) => answer.metadata.response_code = *code,
    }
    answer
}

/// What asks the name server at `address`, and no other.
pub(crate) fn resolver(address: SocketAddr) -> Result<TokioResolver, NetError> {
    let mut connection = ConnectionConfig::udp();
    connection.port = address.port();
    let server = NameServerConfig::new(address.ip(), true, vec![connection]);
    let config = ResolverConfig::from_name_servers(vec![server]);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()
}
