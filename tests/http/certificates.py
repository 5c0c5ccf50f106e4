"""Certificates for TLS, made by openssl: an authority, and what it signs."""
import ssl
import subprocess
from pathlib import Path

_KEYS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"], "weak": ["rsa:1024"]}


def openssl(*arguments, at=None):
    """at: the date on which it is run."""
    command = ["faketime", at] if at else []
    subprocess.run([*command, "openssl", *map(str, arguments)], capture_output=True, check=True, timeout=60)


class Authority:
    def __init__(self, folder, name="Test CA"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        openssl("req", "-x509", "-newkey", *_KEYS["ec"], "-nodes", "-days", 3650, "-subj", f"/CN={name}",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key, "-out", self.file)

    def sign(self, name, kind="ec", days=90, at=None, more=(), names="DNS:localhost,IP:127.0.0.1"):
        """(certificate file, key file) of a server or a client. names: that it is for."""
        certificate, key, request = (self.folder / f"{name}{end}" for end in (".pem", ".key", ".csr"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text("\n".join([f"subjectAltName={names}", "basicConstraints=CA:FALSE",
                                         "keyUsage=digitalSignature", "extendedKeyUsage=serverAuth,clientAuth", *more]))
        openssl("req", "-newkey", *_KEYS[kind], "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial", "-days", days,
                "-extfile", extensions, "-out", certificate, at=at)
        return certificate, key

    def settings(self, pair, more=""):
        return f'[tls]\ncertificate_file = "{pair[0]}"\nkey_file = "{pair[1]}"\n{more}'

    def context(self, client=None, version=None):
        """A client that believes this authority, with a certificate of its own where one is given."""
        context = ssl.create_default_context(cafile=str(self.file))
        if client:
            context.load_cert_chain(*map(str, client))
        if version:
            context.minimum_version = context.maximum_version = version
        return context
