import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.FileInputStream;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.function.Supplier;
import java.util.zip.GZIPInputStream;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.common.bytes.BytesArray;
import org.elasticsearch.common.bytes.BytesReference;
import org.elasticsearch.common.network.NetworkService;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.transport.BoundTransportAddress;
import org.elasticsearch.common.transport.TransportAddress;
import org.elasticsearch.common.util.BigArrays;
import org.elasticsearch.common.util.PageCacheRecycler;
import org.elasticsearch.common.xcontent.NamedXContentRegistry;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.AbstractHttpServerTransport;
import org.elasticsearch.http.HttpChannel;
import org.elasticsearch.http.HttpRequest;
import org.elasticsearch.http.HttpResponse;
import org.elasticsearch.http.HttpServerChannel;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.indices.breaker.CircuitBreakerService;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.NetworkPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.threadpool.ThreadPool;
import org.elasticsearch.transport.RequestHandlerRegistry;
import org.elasticsearch.transport.Transport;
import org.elasticsearch.transport.TransportStats;

/**
 * One node of the Elasticsearch core whose jar is on the class path, on loopback with TLS.
 *
 * <p>That jar has everything from the REST controller down (bulk, versions, mappings, translog, search) and no network modules. What
 * stands in for them here reads HTTP from the JDK's server and hands it over unread; there is one node, so nothing goes between nodes.
 *
 * <p>{@code java -cp JAR Elastic.java PORT DATA KEYSTORE PASSWORD_FILE AUTHORIZATION_FILE READY_FILE}
 */
public final class Elastic {
    private static int port;
    private static SSLContext tls;
    private static String authorization;

    public static void main(String[] args) throws Exception {
        port = Integer.parseInt(args[0]);
        tls = tls(Path.of(args[2]), Files.readString(Path.of(args[3])).trim().toCharArray());
        authorization = Files.readString(Path.of(args[4])).trim();
        Settings settings = Settings.builder()
            .put("path.home", args[1]).put("path.data", args[1] + "/data").put("path.logs", args[1] + "/logs")
            .put("cluster.name", "receivers").put("node.name", "one").put("discovery.type", "single-node")
            .put("transport.type", "nobody").put("http.type", "jdk").put("http.port", port).put("http.host", "127.0.0.1")
            // a disk that is nearly full for other reasons would make indices read only
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        Node node = new Core(new Environment(settings, null));
        node.start();
        Files.writeString(Path.of(args[5]), "ready\n");
        Thread.currentThread().join();
    }

    private static SSLContext tls(Path store, char[] password) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (FileInputStream in = new FileInputStream(store.toFile())) {
            keys.load(in, password);
        }
        KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        managers.init(keys, password);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        return context;
    }

    /** The node, with the network that follows. */
    private static final class Core extends Node {
        Core(Environment environment) {
            super(environment, List.of(Network.class), false);
        }
    }

    /** Gives the node an HTTP server and nobody to talk to. */
    public static final class Network extends Plugin implements NetworkPlugin {
        @Override
        public Map<String, Supplier<Transport>> getTransports(
            Settings settings, ThreadPool pool, PageCacheRecycler recycler, CircuitBreakerService breakers,
            NamedWriteableRegistry registry, NetworkService network
        ) {
            return Map.of("nobody", Elastic::nobody);
        }

        @Override
        public Map<String, Supplier<HttpServerTransport>> getHttpTransports(
            Settings settings, ThreadPool pool, BigArrays arrays, PageCacheRecycler recycler, CircuitBreakerService breakers,
            NamedXContentRegistry registry, NetworkService network, HttpServerTransport.Dispatcher dispatcher
        ) {
            return Map.of("jdk", () -> new Http(settings, network, arrays, pool, registry, dispatcher));
        }
    }

    /** A transport between nodes, for one node. */
    private static Transport nobody() {
        Map<String, Object> handlers = new ConcurrentHashMap<>();
        Transport.ResponseHandlers responses = new Transport.ResponseHandlers();
        TransportAddress self = new TransportAddress(InetAddress.getLoopbackAddress(), 9300);
        return (Transport) Proxy.newProxyInstance(Elastic.class.getClassLoader(), new Class<?>[] {Transport.class}, (on, method, args) -> {
            switch (method.getName()) {
                case "registerRequestHandler":
                    RequestHandlerRegistry<?> handler = (RequestHandlerRegistry<?>) args[0];
                    handlers.put(handler.getAction(), handler);
                    return null;
                case "getRequestHandler": return handlers.get(args[0]);
                case "removeMessageListener": return true;
                case "boundAddress": return new BoundTransportAddress(new TransportAddress[] {self}, self);
                case "profileBoundAddresses": return Map.of();
                case "addressesFromString": return new TransportAddress[0];
                case "getLocalAddresses": return List.of();
                case "getInFlightRequestBreaker":
                    return new org.elasticsearch.common.breaker.NoopCircuitBreaker("in_flight_requests");
                case "getStats": return new TransportStats(0, 0, 0, 0, 0);
                case "getResponseHandlers": return responses;
                case "openConnection": throw new IOException("there is no other node");
                case "hashCode": return System.identityHashCode(on);
                case "equals": return on == args[0];
                case "toString": return "nobody";
                default: return null;
            }
        });
    }

    /** The JDK's HTTPS server before the REST controller. */
    private static final class Http extends AbstractHttpServerTransport {
        private HttpsServer server;

        Http(Settings settings, NetworkService network, BigArrays arrays, ThreadPool pool, NamedXContentRegistry registry, Dispatcher to) {
            super(settings, network, arrays, pool, registry, to);
        }

        @Override
        protected void doStart() {
            bindServer();
        }

        @Override
        protected HttpServerChannel bind(InetSocketAddress address) throws IOException {
            server = HttpsServer.create(address, 0);
            server.setHttpsConfigurator(new HttpsConfigurator(tls));
            server.setExecutor(Executors.newFixedThreadPool(8));
            server.createContext("/", this::take);
            server.start();
            return new Listening(address);
        }

        private void take(HttpExchange exchange) throws IOException {
            byte[] body = body(exchange);
            if (!authorization.equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
                exchange.sendResponseHeaders(401, -1);
                exchange.close();
                return;
            }
            Given given = new Given(exchange, body);
            incomingRequest(given, new Answering(exchange));
        }

        private static byte[] body(HttpExchange exchange) throws IOException {
            boolean packed = "gzip".equalsIgnoreCase(exchange.getRequestHeaders().getFirst("Content-Encoding"));
            try (var in = packed ? new GZIPInputStream(exchange.getRequestBody()) : exchange.getRequestBody()) {
                return in.readAllBytes();
            }
        }

        @Override
        protected void stopInternal() {
            if (server != null) server.stop(0);
        }
    }

    private abstract static class Channel {
        public void close() {}

        public void addCloseListener(ActionListener<Void> listener) {}

        public boolean isOpen() {
            return true;
        }
    }

    private static final class Listening extends Channel implements HttpServerChannel {
        private final InetSocketAddress address;

        Listening(InetSocketAddress address) {
            this.address = address;
        }

        @Override
        public InetSocketAddress getLocalAddress() {
            return address;
        }
    }

    private static final class Answering extends Channel implements HttpChannel {
        private final HttpExchange exchange;

        Answering(HttpExchange exchange) {
            this.exchange = exchange;
        }

        @Override
        public void sendResponse(HttpResponse response, ActionListener<Void> listener) {
            Answer answer = (Answer) response;
            try {
                answer.headers.forEach((name, value) -> {
                    // the JDK's server counts by itself
                    if (!name.equalsIgnoreCase("content-length")) exchange.getResponseHeaders().set(name, value);
                });
                byte[] body = BytesReference.toBytes(answer.body);
                exchange.sendResponseHeaders(answer.status.getStatus(), body.length == 0 ? -1 : body.length);
                if (body.length > 0) exchange.getResponseBody().write(body);
                exchange.close();
                listener.onResponse(null);
            } catch (IOException gone) {
                exchange.close();
                listener.onFailure(gone);
            }
        }

        @Override
        public InetSocketAddress getLocalAddress() {
            return exchange.getLocalAddress();
        }

        @Override
        public InetSocketAddress getRemoteAddress() {
            return exchange.getRemoteAddress();
        }
    }

    private static final class Given implements HttpRequest {
        private final HttpExchange exchange;
        private final BytesReference body;

        Given(HttpExchange exchange, byte[] body) {
            this.exchange = exchange;
            this.body = new BytesArray(body);
        }

        @Override
        public RestRequest.Method method() {
            return RestRequest.Method.valueOf(exchange.getRequestMethod());
        }

        @Override
        public String uri() {
            return exchange.getRequestURI().toString();
        }

        @Override
        public BytesReference content() {
            return body;
        }

        @Override
        public Map<String, List<String>> getHeaders() {
            return exchange.getRequestHeaders();
        }

        @Override
        public List<String> strictCookies() {
            return Collections.emptyList();
        }

        @Override
        public HttpVersion protocolVersion() {
            return HttpVersion.HTTP_1_1;
        }

        @Override
        public HttpRequest removeHeader(String header) {
            return this;
        }

        @Override
        public HttpResponse createResponse(RestStatus status, BytesReference content) {
            return new Answer(status, content);
        }
    }

    private static final class Answer implements HttpResponse {
        final RestStatus status;
        final BytesReference body;
        final Map<String, String> headers = new ConcurrentHashMap<>();

        Answer(RestStatus status, BytesReference body) {
            this.status = status;
            this.body = body;
        }

        @Override
        public void addHeader(String name, String value) {
            headers.put(name, value);
        }

        @Override
        public boolean containsHeader(String name) {
            return headers.keySet().stream().anyMatch(name::equalsIgnoreCase);
        }
    }
}
