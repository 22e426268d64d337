"""kafka-python: send keyed JSON, read it back, choose where to start reading."""

import json

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.consumer.fetcher import NoOffsetForPartitionError

from steps import BOOTSTRAP, REPLICAS, name, ok, want, want_error, want_true

TOPIC = name("orders")
RECORDS = 30

admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
admin.create_topics([NewTopic(name=TOPIC, num_partitions=3, replication_factor=REPLICAS)])


def to_json(value):
    return json.dumps(value).encode("utf-8")


def from_json(data):
    return json.loads(data.decode("utf-8"))


def produce():
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, key_serializer=to_json, value_serializer=to_json)
    for i in range(RECORDS):
        future = producer.send(TOPIC, key="count_num", value={"n": i}, partition=1)
        metadata = future.get(timeout=10)
        want((metadata.topic, metadata.partition, metadata.offset), (TOPIC, 1, i), "where record %d went" % i)
    ok("keyed JSON sent to an explicit partition, each acknowledged with its offset")

    metadata = producer.send(TOPIC, value="no key", partition=2, headers=[("trace", b"\x00\x01")]).get(timeout=10)
    want(metadata.partition, 2, "partition of the record with headers")
    metadata = producer.send(TOPIC, value="old", partition=2, timestamp_ms=1_600_000_000_000).get(timeout=10)
    want(metadata.timestamp, 1_600_000_000_000, "timestamp given by the producer")
    ok("headers and an explicit timestamp sent")

    # Without a partition the key's hash chooses one, always the same.
    partitions = {producer.send(TOPIC, key="same", value=i).get(timeout=10).partition for i in range(5)}
    want(len(partitions), 1, "number of partitions that one key goes to")
    ok("one key goes to one partition")

    sent = KafkaProducer(bootstrap_servers=BOOTSTRAP, acks=0).send(TOPIC, b'"unheard"', partition=2).get(timeout=10)
    want(sent.offset, -1, "offset of a record sent with acks=0")
    sent = KafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all").send(TOPIC, b'"heard"', partition=2).get(timeout=10)
    # Nobody waited for the record before it, which may still be on its way.
    want_true(sent.offset in (2, 3), "offset %d of a record sent with acks=all after two or three" % sent.offset)
    ok("acks=0 and acks=all")
    producer.close()


def iterate():
    consumer = KafkaConsumer(
        TOPIC,
        bootstrap_servers=BOOTSTRAP,
        group_id=name("readers"),
        auto_offset_reset="earliest",
        key_deserializer=lambda data: data and from_json(data),
        value_deserializer=from_json,
        consumer_timeout_ms=3000,
    )
    records = list(consumer)
    numbered = [(r.offset, r.key, r.value["n"]) for r in records if r.partition == 1 and isinstance(r.value, dict)]
    want(numbered, [(i, "count_num", i) for i in range(RECORDS)], "the keyed records, in order")
    with_headers = [r for r in records if r.headers]
    want([r.headers for r in with_headers], [[("trace", b"\x00\x01")]], "headers")
    consumer.close()
    ok("a group member iterates over all partitions, with key and value deserializers")


def topics_and_partitions():
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    want(consumer.partitions_for_topic(TOPIC), {0, 1, 2}, "partitions_for_topic")
    want_true(TOPIC in consumer.topics(), "topics() lists the topic")
    ok("topics and partitions_for_topic")

    one = TopicPartition(TOPIC, 1)
    consumer.assign([one])
    consumer.seek_to_beginning(one)
    want(consumer.position(one), 0, "position after seek_to_beginning")
    consumer.seek(one, 25)
    batch = consumer.poll(timeout_ms=5000)[one]
    want(batch[0].offset, 25, "first offset after seek")
    want_true(consumer.position(one) > 25, "position moves with poll")
    consumer.seek_to_end(one)
    end = consumer.end_offsets([one])[one]
    want(consumer.position(one), end, "position after seek_to_end")
    want(consumer.beginning_offsets([one])[one], 0, "beginning offset")
    ok("assign, seek and position")

    old = TopicPartition(TOPIC, 2)
    found = consumer.offsets_for_times({old: 1_600_000_000_000})[old]
    want_true(found.timestamp >= 1_600_000_000_000, "offset by timestamp")
    want(consumer.offsets_for_times({old: 4_000_000_000_000})[old], None, "offset by a timestamp in the future")
    ok("offsets_for_times")
    consumer.close()


def offset_reset():
    one = TopicPartition(TOPIC, 1)

    def consumer_with(reset, group):
        consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group, auto_offset_reset=reset)
        consumer.assign([one])
        return consumer

    consumer = consumer_with("earliest", name("reset-earliest"))
    want(consumer.position(one), 0, "position of a new group with earliest")
    consumer.close(autocommit=False)

    consumer = consumer_with("latest", name("reset-latest"))
    end = consumer.end_offsets([one])[one]
    want(consumer.position(one), end, "position of a new group with latest")
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    producer.send(TOPIC, b'"late"', partition=1).get(timeout=10)
    batch = consumer.poll(timeout_ms=5000)[one]
    want([(r.offset, r.value) for r in batch], [(end, b'"late"')], "what a reader from the latest offset sees")
    consumer.close(autocommit=False)

    consumer = consumer_with("none", name("reset-none"))
    want_error(NoOffsetForPartitionError, lambda: consumer.position(one), "a new group with none")
    consumer.close(autocommit=False)

    # An offset past the end is out of range, which the reset answers too.
    consumer = consumer_with("earliest", name("reset-range"))
    consumer.seek(one, 1_000_000)
    batch = consumer.poll(timeout_ms=5000) or consumer.poll(timeout_ms=5000)
    want(batch[one][0].offset, 0, "first offset after an offset out of range")
    consumer.close(autocommit=False)
    ok("auto_offset_reset earliest, latest, none, and an offset out of range")


produce()
iterate()
topics_and_partitions()
offset_reset()
