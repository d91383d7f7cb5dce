//! A private PostgreSQL and Redis with one catalogue, on which all rows run in turn, each from the
//! same state: some thousand earlier orders, full stock, an empty Redis.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use crate::{
    carts::Cart,
    prepare::{PLENTY, ready_buyers, write_carts},
    requests::Request,
};
use anyhow::{Context, ensure};
use private_servers::{DataDir, EmbeddedServices, Memory, Options};
use splitcart::{cli::token, config::Config, db};
use sqlx::PgConnection;
use terminal::Screen;

use crate::{
    bench::{
        child,
        server::{self, Server, Start},
    },
    db::{faults, past, unpublished},
    fault_bench::{
        carts::{Carts, Catalogue},
        load::Checkout,
        proxy::Proxy,
        rows::{Between, Row},
    },
};

/// More than the others ever touch: a stock import alone takes 10,000.
const PRODUCTS: u32 = 25_000;
/// Enough for carts of 200 vendors who may all sell.
const VENDORS: u32 = 240;
const TOKEN_GOOD_FOR: Duration = Duration::from_hours(6);

/// See the module. Dropped, it stops as by a crash and removes its files.
pub struct Environment {
    pub services: EmbeddedServices,
    pub connection: PgConnection,
    pub catalogue: Catalogue,
    program: PathBuf,
    /// By the number of the buyer.
    tokens: Vec<String>,
    logs: PathBuf,
    has_past: bool,
    past_groups: i64,
    /// The greatest rate so far.
    pub rate: f64,
}

/// Everything that was prepared for a row.
pub struct Prepared {
    pub carts: Carts,
    pub others: Vec<Checkout>,
    pub in_need: Vec<Checkout>,
}

impl Environment {
    /// Starts everything, with a catalogue that the program under test has made.
    pub async fn open(program: &Path, logs: &Path) -> anyhow::Result<Self> {
        let options = Options {
            data_dir: DataDir::Temporary,
            memory: Memory::Little,
        };
        let services = EmbeddedServices::start(options).await?;
        let (products, vendors) = (PRODUCTS.to_string(), VENDORS.to_string());
        let arguments = ["seed", "--products", &products, "--vendors", &vendors];
        run_program(program, &services, &arguments).await?;
        let mut connection = connect(&services).await?;
        faults::fill_stock(&mut connection, PLENTY).await?;
        faults::check_no_references(&mut connection).await?;
        let catalogue = Catalogue::read(&mut connection).await?;
        Ok(Self {
            services,
            connection,
            catalogue,
            program: program.to_owned(),
            tokens: Vec::new(),
            logs: logs.to_owned(),
            has_past: false,
            past_groups: 0,
            rate: 0.0,
        })
    }

    /// Another connection to the database, past any proxy.
    pub async fn connect(&self) -> anyhow::Result<PgConnection> {
        connect(&self.services).await
    }

    /// Opens the connection again after a fault has closed all of them.
    pub async fn reconnect(&mut self) -> anyhow::Result<()> {
        self.connection = self.connect().await?;
        faults::check_no_references(&mut self.connection).await?;
        Ok(())
    }

    /// Restores the state that every row begins with, and adds the carts of a row.
    pub async fn prepare(&mut self, carts: Carts) -> anyhow::Result<Prepared> {
        if self.has_past {
            past::restore(&mut self.connection, &[]).await?;
            faults::check_no_references(&mut self.connection).await?;
        }
        self.past_groups = self.groups().await?;
        let redis = redis::Client::open(self.services.redis_url())?;
        let mut redis = redis.get_multiplexed_async_connection().await?;
        redis::cmd("FLUSHALL").exec_async(&mut redis).await?;
        let screen = Screen::on_stderr();
        ready_buyers(&mut self.connection, &carts.all, &screen).await?;
        write_carts(&mut self.connection, &carts.all, &screen).await?;
        screen.close();
        crate::db::settle(&mut self.connection).await?;
        faults::checkpoint(&mut self.connection).await?;
        self.sign_tokens(&carts.all)?;
        let checkout = |(number, cart): (usize, &Cart)| Checkout {
            request: Request::check_out(&self.tokens[number], cart.id),
            cart: number,
            first: None,
        };
        let mut checkouts: Vec<_> = carts.all.iter().enumerate().map(checkout).collect();
        let in_need = checkouts.split_off(carts.others);
        Ok(Prepared {
            carts,
            others: checkouts,
            in_need,
        })
    }

    fn sign_tokens(&mut self, carts: &[Cart]) -> anyhow::Result<()> {
        // The server has the same secret.
        let (name, value) = server::SECRET;
        let config = Config::load(None, [(name.to_owned(), value.to_owned())])?;
        for cart in &carts[self.tokens.len().min(carts.len())..] {
            let (user, store) = (cart.buyer.user_id.uuid(), cart.buyer.store_id.uuid());
            self.tokens
                .push(token::issue(&config, user, store, TOKEN_GOOD_FOR)?);
        }
        Ok(())
    }

    /// A buyer's token, by its cart.
    pub fn token(&self, cart: usize) -> &str {
        &self.tokens[cart]
    }

    /// The program and settings of a row's server, with the proxy between it and its services, if there is
    /// one.
    pub fn start(&self, between: Between, proxy: Option<&Proxy>, user: Option<&str>) -> Start {
        let mut start = Start {
            program: self.program.clone(),
            through: Vec::new(),
            database_url: self.services.database_url().to_owned(),
            redis_url: self.services.redis_url().to_owned(),
            settings: Vec::new(),
        };
        match (between, proxy) {
            (Between::PostgresProxy, Some(proxy)) => {
                let address = proxy.address();
                start.database_url =
                    format!("postgres://splitcart@{address}/splitcart?sslmode=disable");
            }
            (Between::RedisProxy, Some(proxy)) => {
                start.redis_url = format!("redis://{}", proxy.address());
            }
            _ => {}
        }
        if let Some(user) = user {
            start.database_url = start
                .database_url
                .replace("user=splitcart", &format!("user={user}"));
        }
        start
    }

    /// The proxy before a service, if the row needs one.
    pub fn proxy(&self, between: Between) -> anyhow::Result<Option<Proxy>> {
        let socket = match between {
            Between::Nothing => return Ok(None),
            Between::PostgresProxy => postgres_socket(self.services.database_url())?,
            Between::RedisProxy => redis_socket(self.services.redis_url())?,
        };
        Proxy::start(&socket).map(Some)
    }

    /// Starts a server whose log goes to a file.
    pub async fn serve(&self, start: Start, row: Row, instance: usize) -> anyhow::Result<Server> {
        let path = self.logs.join(format!("{}-{instance}.log", row.key()));
        let file = std::fs::File::create(&path)
            .with_context(|| format!("can't write {}", path.display()))?;
        let server = Server::start_with(start, Stdio::from(file)).await;
        server.with_context(|| format!("its log is {}", path.display()))
    }

    /// Runs the program's audit; returns its output if it has findings.
    pub async fn audit(&self) -> anyhow::Result<Option<String>> {
        let mut command = child::command(&self.program);
        command
            .env("SPLITCART_DATABASE_URL", self.services.database_url())
            .env("SPLITCART_REDIS_URL", self.services.redis_url())
            .arg("audit");
        let ended = child::run(&mut command, |_| {}).await?;
        Ok((!ended.status.success()).then_some(ended.stdout))
    }

    /// The number of events that are not published yet.
    pub async fn unpublished(&mut self) -> anyhow::Result<i64> {
        Ok(unpublished(&mut self.connection).await?)
    }

    /// Makes the orders so far the ones that every row begins with.
    pub async fn keep_past(&mut self) -> anyhow::Result<()> {
        past::keep(&mut self.connection).await?;
        self.has_past = true;
        Ok(())
    }

    /// The number of checkouts that the row has added to the database.
    pub async fn new_groups(&mut self) -> anyhow::Result<i64> {
        Ok(self.groups().await? - self.past_groups)
    }

    async fn groups(&mut self) -> anyhow::Result<i64> {
        Ok(faults::groups(&mut self.connection).await?)
    }

    /// Ends everything; all files are gone afterwards.
    pub async fn stop(self) -> anyhow::Result<()> {
        drop(self.connection);
        Ok(self.services.stop().await?)
    }
}

async fn run_program(
    program: &Path,
    services: &EmbeddedServices,
    arguments: &[&str],
) -> anyhow::Result<()> {
    let mut command = child::command(program);
    command
        .env("SPLITCART_DATABASE_URL", services.database_url())
        .env("SPLITCART_REDIS_URL", services.redis_url())
        .args(arguments);
    let ended = child::run(&mut command, |_| {}).await?;
    ensure!(
        ended.status.success(),
        "splitcart {} failed: {}",
        arguments[0],
        ended.last_words
    );
    Ok(())
}

async fn connect(services: &EmbeddedServices) -> anyhow::Result<PgConnection> {
    Ok(db::pool::connect(&services.database_url().into()).await?)
}

fn postgres_socket(url: &str) -> anyhow::Result<PathBuf> {
    let directory = url.split_once("host=").map(|(_, rest)| rest);
    let directory = directory.and_then(|rest| rest.split('&').next());
    let directory = directory.context("the private PostgreSQL has another URL than we know")?;
    Ok(Path::new(directory).join(".s.PGSQL.5432"))
}

fn redis_socket(url: &str) -> anyhow::Result<PathBuf> {
    let path = url.split_once("://").map(|(_, rest)| rest);
    let path = path.and_then(|rest| rest.split('?').next());
    Ok(PathBuf::from(path.context(
        "the private Redis has another URL than we know",
    )?))
}
