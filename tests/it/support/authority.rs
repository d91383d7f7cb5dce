//! An authority for certificates of TLS, with one certificate for servers and one for clients.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};

/// Its files are `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key`.
pub struct Authority {
    directory: PathBuf,
}

impl Authority {
    /// A new one, with its files in this directory.
    pub fn in_directory(directory: &Path) -> Self {
        let new = Self {
            directory: directory.to_owned(),
        };
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = named("the authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(new.file("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, key);
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        for (name, subjects) in [("server", names), ("client", vec!["splitcart".to_owned()])] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(subjects).unwrap();
            params.distinguished_name = named(name);
            let certificate = params.signed_by(&key, &issuer).unwrap();
            fs::write(new.file(&format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(new.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        new
    }

    /// The one of all servers of a run that tests everything over TLS. Its files stay in the build directory.
    pub fn of_run() -> &'static Self {
        static OF_RUN: OnceLock<Authority> = OnceLock::new();
        OF_RUN.get_or_init(|| {
            let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("redis-authority");
            let directory = directory.join(std::process::id().to_string());
            fs::create_dir_all(&directory).unwrap();
            Self::in_directory(&directory)
        })
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn name(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }
}

/// A name of its own: OpenSSL takes a certificate with its issuer's name for one that signed itself.
fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
