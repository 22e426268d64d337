import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * The Java producer with its defaults, which are acks=all and idempotence, under a steady load: numbers from 0, over the
 * partitions in turn, until standard input ends. It tells how far it is, and at the end what became of it all.
 */
public class JavaLoad {
    static final AtomicLong acknowledged = new AtomicLong();
    static final AtomicLong failed = new AtomicLong();
    static long longest; // nanoseconds between two answers of one partition; only the sender's thread writes it

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        int partitions = Integer.parseInt(args[2]);
        var settings = Map.<String, Object>of("bootstrap.servers", args[0]);
        var producer = new KafkaProducer<String, String>(settings, new StringSerializer(), new StringSerializer());
        var last = new long[partitions];
        long sent = 0;
        for (; System.in.available() == 0; sent++) {
            int partition = (int) (sent % partitions);
            producer.send(new ProducerRecord<>(topic, partition, null, Long.toString(sent)), (metadata, error) -> {
                if (error != null) {
                    failed.incrementAndGet();
                    System.out.println("error " + error);
                    return;
                }
                long now = System.nanoTime();
                if (last[partition] != 0) {
                    longest = Math.max(longest, now - last[partition]);
                }
                last[partition] = now;
                if (acknowledged.incrementAndGet() % 100 == 0) {
                    System.out.println("acknowledged " + acknowledged);
                }
            });
            if (sent % 4 == 0) {
                Thread.sleep(2);
            }
        }
        producer.close();
        System.out.printf("done sent=%d acknowledged=%d failed=%d longest_ms=%d%n", sent, acknowledged.get(),
            failed.get(), longest / 1_000_000);
        System.exit(failed.get() == 0 ? 0 : 1);
    }
}
