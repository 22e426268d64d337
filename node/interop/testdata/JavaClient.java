import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The Java client: idempotent producer, classic consumer groups, administration. */
public class JavaClient {
    static final int PARTITIONS = 4;
    static final int RECORDS = 1000;

    static String bootstrap;
    static String prefix;
    static final int BROKERS = Integer.parseInt(System.getenv().getOrDefault("INTEROP_BROKERS", "1"));
    static final short REPLICAS = (short) Math.min(BROKERS, 3);
    static boolean standIn = "1".equals(System.getenv("INTEROP_STAND_IN"));
    static String topic;

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        prefix = args[1];
        topic = prefix + "-java";
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            create(admin);
            produce();
            groups(admin, RangeAssignor.class, "range");
            groups(admin, CooperativeStickyAssignor.class, "cooperative-sticky");
            staticMembers();
            positions();
            offsets(admin);
            configs(admin);
            delete(admin);
        } catch (Throwable e) {
            System.err.println("FAILED: " + e);
            e.printStackTrace();
            System.exit(1);
        }
        System.exit(0);
    }

    static void create(Admin admin) throws Exception {
        var wanted = new NewTopic(topic, PARTITIONS, REPLICAS).configs(Map.of("retention.ms", "3600000"));
        var created = admin.createTopics(List.of(wanted));
        created.all().get();
        wantError(TopicExistsException.class, () -> admin.createTopics(List.of(wanted)).all().get());
        // Not every broker knows at once, and each question may go to another one.
        until(() -> admin.listTopics().names().get().contains(topic), "topic is listed");
        var described = eventually(() -> admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic));
        if (!standIn) {
            want(created.numPartitions(topic).get(), PARTITIONS, "partitions in the answer to a creation");
            want(created.config(topic).get().get("retention.ms").value(), "3600000", "setting in that answer");
            want(described.topicId(), created.topicId(topic).get(), "topic id");
        }
        Callable<TopicDescription> byId = () -> admin.describeTopics(
            TopicCollection.ofTopicIds(List.of(described.topicId()))).allTopicIds().get().get(described.topicId());
        want(eventually(byId).name(), topic, "topic by id");
        want(described.partitions().size(), PARTITIONS, "described partitions");
        want(admin.describeCluster().nodes().get().size(), BROKERS, "nodes");
        ok("create, list and describe topics, by name and by id; describe the cluster");
    }

    static KafkaProducer<String, String> producer(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("bootstrap.servers", bootstrap);
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    static void produce() throws Exception {
        String[] codecs = {"none", "gzip", "snappy", "lz4", "zstd"};
        for (String codec : codecs) {
            // Idempotence and acks=all are the defaults; small batches keep five requests in flight.
            try (var producer = producer(Map.of("compression.type", codec, "batch.size", 400))) {
                List<Future<RecordMetadata>> answers = new ArrayList<>();
                for (int i = 0; i < RECORDS / codecs.length; i++) {
                    var record = new ProducerRecord<>(topic, i % PARTITIONS, "key " + i, codec + " " + i);
                    record.headers().add("codec", codec.getBytes());
                    answers.add(producer.send(record));
                }
                Map<Integer, Long> last = new HashMap<>();
                for (var answer : answers) {
                    RecordMetadata metadata = answer.get();
                    Long before = last.put(metadata.partition(), metadata.offset());
                    want(before == null || metadata.offset() == before + 1, true, "offsets without a gap");
                }
            }
        }
        ok("idempotent producer, compression " + String.join(", ", codecs));

        try (var producer = producer(Map.of("max.request.size", 4 << 20, "compression.type", "none"))) {
            var large = new ProducerRecord<String, String>(topic + "-large", "x".repeat(2 << 20));
            wantError(RecordTooLargeException.class, () -> producer.send(large).get());
        }
        ok("a record above max.message.bytes is refused");
    }

    static KafkaConsumer<String, String> consumer(String group, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", prefix + "-" + group);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", false);
        settings.put("heartbeat.interval.ms", 200);
        settings.put("session.timeout.ms", 10_000);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    static List<ConsumerRecord<String, String>> poll(KafkaConsumer<String, String> consumer) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        consumer.poll(Duration.ofMillis(100)).forEach(records::add);
        return records;
    }

    static void groups(Admin admin, Class<?> assignor, String name) throws Exception {
        Map<String, Object> settings = Map.of("partition.assignment.strategy", assignor.getName());
        var first = consumer(name, settings);
        var second = consumer(name, settings);
        first.subscribe(List.of(topic));
        Set<String> seen = new HashSet<>();
        until(() -> {
            poll(first).forEach(record -> seen.add(record.partition() + "/" + record.offset()));
            return seen.size() == RECORDS;
        }, "one member reads everything");
        first.commitSync();

        second.subscribe(List.of(topic));
        until(() -> {
            want(poll(first).size() + poll(second).size(), 0, "records read twice");
            return first.assignment().size() == PARTITIONS / 2 && second.assignment().size() == PARTITIONS / 2;
        }, "two members share the partitions");

        String group = prefix + "-" + name;
        var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        want(described.groupState(), GroupState.STABLE, "state");
        want(described.members().size(), 2, "members");
        want(described.partitionAssignor(), name, "assignor");
        wantError(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of(group)).all().get());

        first.close();
        until(() -> poll(second).isEmpty() && second.assignment().size() == PARTITIONS, "the other takes over");
        second.close();
        ok("group with " + name + ": join, share, leave; described");
    }

    /** A static member that comes back within its session keeps its partitions without a rebalance. */
    static void staticMembers() throws Exception {
        Map<String, Object> settings = Map.of("group.instance.id", "one");
        var consumer = consumer("static", settings);
        consumer.subscribe(List.of(topic));
        until(() -> !poll(consumer).isEmpty(), "a first record");
        consumer.commitSync();
        int generation = consumer.groupMetadata().generationId();
        consumer.close();

        var again = consumer("static", settings);
        again.subscribe(List.of(topic));
        until(() -> poll(again) != null && again.assignment().size() == PARTITIONS, "the partitions again");
        want(again.groupMetadata().generationId(), generation, "generation after a static member's return");
        again.close();
        ok("a static member returns into the same generation");
    }

    static void positions() throws Exception {
        var zero = new TopicPartition(topic, 0);
        try (var consumer = consumer("positions", Map.of("isolation.level", "read_committed"))) {
            consumer.assign(List.of(zero));
            long end = consumer.endOffsets(List.of(zero)).get(zero);
            want(end, (long) RECORDS / PARTITIONS, "end offset");
            want(consumer.beginningOffsets(List.of(zero)).get(zero), 0L, "beginning offset");
            want(consumer.partitionsFor(topic).size(), PARTITIONS, "partitionsFor");
            consumer.seek(zero, end - 1);
            List<ConsumerRecord<String, String>> got = new ArrayList<>();
            until(() -> got.addAll(poll(consumer)), "the last record");
            want(got.get(0).offset(), end - 1, "offset after seek");
            want(new String(got.get(0).headers().lastHeader("codec").value()), "zstd", "header");
            want(consumer.position(zero), end, "position");
            long hourAgo = System.currentTimeMillis() - 3_600_000;
            want(consumer.offsetsForTimes(Map.of(zero, hourAgo)).get(zero).offset(), 0L, "offset an hour ago");

            consumer.commitSync(Map.of(zero, new OffsetAndMetadata(17, "seventeen")));
            var committed = consumer.committed(Set.of(zero)).get(zero);
            want(committed.offset() + committed.metadata(), "17seventeen", "committed offset and metadata");
        }
        ok("assign, seek, position, offsetsForTimes, commitSync with metadata, read_committed");
    }

    static void offsets(Admin admin) throws Exception {
        var zero = new TopicPartition(topic, 0);
        String group = prefix + "-positions";
        var committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        want(committed.get(zero).offset(), 17L, "listConsumerGroupOffsets");
        admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(3))).all().get();
        committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        want(committed.get(zero).offset(), 3L, "alterConsumerGroupOffsets");
        admin.deleteConsumerGroupOffsets(group, Set.of(zero)).all().get();
        admin.deleteConsumerGroups(List.of(group)).all().get();
        Collection<String> groups = admin.listGroups().all().get().stream()
            .map(listing -> listing.groupId()).collect(Collectors.toSet());
        want(groups.contains(group), false, "a deleted group is listed");
        ok("list, alter and delete group offsets, delete the group");

        want(admin.listOffsets(Map.of(zero, OffsetSpec.latest())).all().get().get(zero).offset(),
            (long) RECORDS / PARTITIONS, "latest offset");
        if (!standIn) {
            long largest = admin.listOffsets(Map.of(zero, OffsetSpec.maxTimestamp())).all().get().get(zero).offset();
            want(largest >= 0 && largest < RECORDS, true, "offset of the largest timestamp");
        }
        var deleted = admin.deleteRecords(Map.of(zero, RecordsToDelete.beforeOffset(50)));
        want(deleted.lowWatermarks().get(zero).get().lowWatermark(), 50L, "low watermark");
        want(admin.listOffsets(Map.of(zero, OffsetSpec.earliest())).all().get().get(zero).offset(), 50L, "earliest");
        ok("listOffsets and deleteRecords");
    }

    static void configs(Admin admin) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        want(setting(admin, resource, "retention.ms").value(), "3600000", "retention.ms given at creation");
        var set = new AlterConfigOp(new ConfigEntry("retention.ms", "60000"), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
        until(() -> setting(admin, resource, "retention.ms").value().equals("60000"), "retention.ms after SET");
        want(setting(admin, resource, "retention.ms").source(), ConfigSource.DYNAMIC_TOPIC_CONFIG, "source");
        var delete = new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(delete))).all().get();
        if (!standIn) {
            until(() -> setting(admin, resource, "retention.ms").source() == ConfigSource.DEFAULT_CONFIG, "default");
        }
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(PARTITIONS + 1))).all().get();
        until(() -> admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size()
            == PARTITIONS + 1, "partitions after createPartitions");
        int node = admin.describeCluster().nodes().get().iterator().next().id();
        int sizes = admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node).values().stream()
            .mapToInt(dir -> dir.replicaInfos().size()).sum();
        want(sizes > 0, true, "replicas in the log directories");
        ok("describe and alter configs, createPartitions, describeLogDirs");
    }

    static ConfigEntry setting(Admin admin, ConfigResource resource, String key) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(key);
    }

    static void delete(Admin admin) throws Exception {
        admin.deleteTopics(List.of(topic, topic + "-large")).all().get();
        until(() -> !admin.listTopics().names().get().contains(topic), "the deleted topic is not listed");
        ok("deleteTopics");
    }

    static void ok(String step) {
        System.out.println("ok: " + step);
    }

    static void want(Object got, Object wanted, String what) {
        if (!wanted.equals(got)) {
            throw new AssertionError(what + ": got " + got + ", wanted " + wanted);
        }
    }

    /** The answer of the first broker that knows. */
    static <T> T eventually(Callable<T> asked) throws Exception {
        List<T> answer = new ArrayList<>();
        until(() -> answer.add(asked.call()), "an answer");
        return answer.get(0);
    }

    static boolean holds(Callable<Boolean> condition) throws Exception {
        try {
            return condition.call();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof ApiException) {
                return false; // of a broker that does not know yet
            }
            throw e;
        }
    }

    static void until(Callable<Boolean> condition, String what) throws Exception {
        long deadline = System.nanoTime() + Duration.ofSeconds(15).toNanos();
        while (!holds(condition)) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError(what + ": not within 15 seconds");
            }
        }
    }

    interface Action {
        Object run() throws Exception;
    }

    static void wantError(Class<?> wanted, Action action) throws Exception {
        try {
            action.run();
        } catch (ExecutionException e) {
            want(e.getCause().getClass(), wanted, "error");
            return;
        }
        throw new AssertionError("no " + wanted.getSimpleName());
    }
}
