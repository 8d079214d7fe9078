import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientConfigurationBuilder;
import org.apache.rocketmq.client.apis.ClientServiceProvider;
import org.apache.rocketmq.client.apis.StaticSessionCredentialsProvider;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageBuilder;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.ProducerBuilder;
import org.apache.rocketmq.client.apis.producer.Transaction;
import org.apache.rocketmq.client.apis.producer.TransactionResolution;

/**
 * Sends messages through a proxy with the official gRPC client, receives them and judges.
 *
 *   GrpcClient ENDPOINTS MESSAGES TOPIC=TYPE...    TYPE is NORMAL, FIFO, DELAY or TRANSACTION
 *   GrpcClient ENDPOINTS MESSAGES bench=TOPIC      only sends, one after another, and tells the median time
 *
 * Each topic has a consumer group of its name. Producers speak TLS, as the client does unless told otherwise; consumers
 * speak plain text unless GRPC_TLS is "always". ACCESS_KEY and SECRET_KEY sign requests. One line of JSON for each topic says what came of it; the exit status is
 * 0 if all is well.
 */
public class GrpcClient {
    static final Duration DELAY = Duration.ofSeconds(4);
    static final Duration PATIENCE = Duration.ofSeconds(60);
    static final ClientServiceProvider CLIENT = ClientServiceProvider.loadService();

    static String endpoints;
    static int messages;

    public static void main(String[] args) throws Exception {
        endpoints = args[0];
        messages = Integer.parseInt(args[1]);
        boolean well = true;
        for (String what : Arrays.asList(args).subList(2, args.length)) {
            String[] parts = what.split("=");
            if (parts[0].equals("bench")) {
                bench(parts[1]);
            } else {
                well &= test(parts[0], parts[1]);
            }
        }
        System.exit(well ? 0 : 1);
    }

    static ClientConfiguration configuration(boolean tls) {
        ClientConfigurationBuilder builder = ClientConfiguration.newBuilder().setEndpoints(endpoints).enableSsl(tls).setRequestTimeout(Duration.ofSeconds(10));
        String user = System.getenv("ACCESS_KEY");
        if (user != null) {
            builder.setCredentialProvider(new StaticSessionCredentialsProvider(user, System.getenv("SECRET_KEY")));
        }
        return builder.build();
    }

    static Producer producer(String topic) throws Exception {
        ProducerBuilder builder = CLIENT.newProducerBuilder().setClientConfiguration(configuration(true)).setTopics(topic);
        return builder.setTransactionChecker(message -> TransactionResolution.UNKNOWN).build();
    }

    static boolean test(String topic, String type) throws Exception {
        Map<String, Long> notBefore = new LinkedHashMap<>(); // what must come, and from when on it may
        List<String> never = new ArrayList<>(); // what was rolled back
        try (Producer producer = producer(topic)) {
            for (int i = 0; i < messages; i++) {
                String body = type + "-" + i;
                MessageBuilder message = CLIENT.newMessageBuilder().setTopic(topic).setKeys(body).setBody(body.getBytes(StandardCharsets.UTF_8));
                long due = 0;
                switch (type) {
                    case "FIFO":
                        producer.send(message.setMessageGroup("g" + i % 3).build());
                        break;
                    case "DELAY":
                        due = System.currentTimeMillis() + DELAY.toMillis();
                        producer.send(message.setDeliveryTimestamp(due).build());
                        break;
                    case "TRANSACTION":
                        Transaction transaction = producer.beginTransaction();
                        producer.send(message.build(), transaction);
                        if (i % 4 == 3) {
                            transaction.rollback();
                            never.add(body);
                            continue;
                        }
                        transaction.commit();
                        break;
                    default:
                        producer.send(message.build());
                }
                notBefore.put(body, due);
            }
        }
        return receive(topic, type, notBefore, never);
    }

    /** Receives until everything is there, and a little longer for what must not come. */
    static boolean receive(String topic, String type, Map<String, Long> notBefore, List<String> never) throws Exception {
        int sent = notBefore.size(), early = 0, unordered = 0, unwanted = 0, more = 0;
        Map<String, Integer> last = new HashMap<>(); // of each message group
        List<String> seen = new ArrayList<>();
        boolean always = "always".equals(System.getenv("GRPC_TLS"));
        try (SimpleConsumer consumer = CLIENT.newSimpleConsumerBuilder().setClientConfiguration(configuration(always)).setConsumerGroup(topic)
                .setAwaitDuration(Duration.ofSeconds(2)).setSubscriptionExpressions(Collections.singletonMap(topic, FilterExpression.SUB_ALL)).build()) {
            long end = System.nanoTime() + PATIENCE.toNanos();
            boolean extra = never.isEmpty();
            while (System.nanoTime() < end && (!notBefore.isEmpty() || !extra)) {
                extra |= notBefore.isEmpty(); // one more look
                for (MessageView message : consumer.receive(16, Duration.ofSeconds(30))) {
                    String body = text(message.getBody());
                    consumer.ack(message);
                    if (seen.contains(body)) {
                        more++;
                        continue;
                    }
                    seen.add(body);
                    Long due = notBefore.remove(body);
                    if (due == null) {
                        unwanted++;
                    } else if (System.currentTimeMillis() < due - 1000) { // the broker's clock ticks every second
                        early++;
                    }
                    int number = Integer.parseInt(body.substring(body.indexOf('-') + 1));
                    Integer before = message.getMessageGroup().isPresent() ? last.put(message.getMessageGroup().get(), number) : null;
                    if (before != null && before > number) {
                        unordered++;
                    }
                }
            }
        }
        System.out.printf("{\"topic\":\"%s\",\"type\":\"%s\",\"sent\":%d,\"lost\":%d,\"twice\":%d,\"early\":%d,\"unordered\":%d,\"unwanted\":%d,\"rolledBack\":%d}%n",
            topic, type, sent, notBefore.size(), more, early, unordered, unwanted, never.size());
        return notBefore.isEmpty() && early == 0 && unordered == 0 && unwanted == 0;
    }

    static String text(ByteBuffer body) {
        byte[] bytes = new byte[body.remaining()];
        body.duplicate().get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static void bench(String topic) throws Exception {
        byte[] body = new byte[256];
        long[] micros = new long[messages];
        try (Producer producer = producer(topic)) {
            for (int i = -messages / 5; i < messages; i++) { // the first fifth warms up
                long began = System.nanoTime();
                producer.send(CLIENT.newMessageBuilder().setTopic(topic).setBody(body).build());
                if (i >= 0) {
                    micros[i] = (System.nanoTime() - began) / 1000;
                }
            }
        }
        Arrays.sort(micros);
        System.out.printf("{\"topic\":\"%s\",\"sent\":%d,\"p50Micros\":%d,\"p99Micros\":%d}%n", topic, messages, micros[messages / 2], micros[messages * 99 / 100]);
    }
}
