import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;

/** TrustStore FROM TO: makes a trust store of certificates in PEM. The same certificates give the same bytes. */
class TrustStore {
    public static void main(String[] arguments) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        int number = 0;
        try (InputStream from = Files.newInputStream(Paths.get(arguments[0]))) {
            for (Certificate certificate : CertificateFactory.getInstance("X.509").generateCertificates(from)) {
                store.setCertificateEntry("ca-" + ++number, certificate);
            }
        }
        try (OutputStream to = Files.newOutputStream(Paths.get(arguments[1]))) {
            store.store(to, null);
        }
    }
}
