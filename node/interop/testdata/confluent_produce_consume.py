"""confluent-kafka (librdkafka): idempotent producer, groups with both kinds of assignors, all codecs.

Runs on old and new versions of the package.
"""

import time

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from steps import BOOTSTRAP, REPLICAS, name, ok, until, want, want_error, want_true

TOPIC = name("payments")
PARTITIONS = 4
RECORDS = 400

print("confluent-kafka", confluent_kafka.__version__, "on librdkafka", confluent_kafka.libversion()[0])


def create_topic(topic, partitions):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=REPLICAS)])[topic].result(15)


def produce(topic, values, **settings):
    """Sends values to the topic and gives (partition, offset) of each, once all are acknowledged."""
    producer = Producer({"bootstrap.servers": BOOTSTRAP, **{k.replace("_", "."): v for k, v in settings.items()}})
    places = []

    def delivered(error, message):
        if error is not None:
            raise KafkaException(error)
        places.append((message.partition(), message.offset()))

    for i, value in enumerate(values):
        producer.produce(topic, value, key=b"key %d" % i, headers={"n": b"%d" % i}, on_delivery=delivered)
        producer.poll(0)
    want(producer.flush(30), 0, "messages left after flush")
    return places


def idempotent():
    values = [b"payment %d" % i for i in range(RECORDS)]
    places = produce(TOPIC, values, enable_idempotence=True, linger_ms=2, batch_num_messages=10)
    want(len(set(places)), RECORDS, "distinct places of %d messages" % RECORDS)
    for partition in range(PARTITIONS):
        offsets = sorted(offset for p, offset in places if p == partition)
        want(offsets, list(range(len(offsets))), "offsets without a gap in partition %d" % partition)
    ok("idempotent producer with many batches in flight")


def consumer_in(group, **settings):
    return Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 10_000,
            "heartbeat.interval.ms": 200,
            **{k.replace("_", "."): v for k, v in settings.items()},
        }
    )


def poll_one(consumer):
    message = consumer.poll(0.1)
    if message is not None and message.error():
        raise KafkaException(message.error())
    return message


def read(consumer, count):
    """Polls until count messages have come."""
    messages = []

    def poll():
        while len(messages) < count and (message := poll_one(consumer)):
            messages.append(message)
        return len(messages) == count

    until(poll, "%d messages read" % count)
    return messages


def groups(strategy):
    group = name(strategy)
    first, second = consumer_in(group, partition_assignment_strategy=strategy), None
    moved = {"first": [], "second": []}

    def subscribe(consumer, who):
        consumer.subscribe(
            [TOPIC],
            on_assign=lambda c, parts: moved[who].append(("assign", sorted(p.partition for p in parts))),
            on_revoke=lambda c, parts: moved[who].append(("revoke", sorted(p.partition for p in parts))),
        )

    subscribe(first, "first")
    seen = {(message.partition(), message.offset()) for message in read(first, RECORDS)}
    want(len(seen), RECORDS, "distinct messages that the only member read")
    first.commit(asynchronous=False)

    second = consumer_in(group, partition_assignment_strategy=strategy)
    subscribe(second, "second")

    def shared():
        want(poll_one(first), None, "a message after everything was read and committed")
        want(poll_one(second), None, "a message after everything was read and committed")
        return len(first.assignment()) == len(second.assignment()) == PARTITIONS // 2

    until(shared, "two members share the partitions")
    owned = [{p.partition for p in c.assignment()} for c in (first, second)]
    want(owned[0] | owned[1], set(range(PARTITIONS)), "partitions owned by either")
    revoked = [parts for what, parts in moved["first"] if what == "revoke"]
    if strategy == "cooperative-sticky":
        want_true(all(len(parts) < PARTITIONS for parts in revoked), "cooperative: only those that move are revoked")
    else:
        want(revoked[0], list(range(PARTITIONS)), "eager: everything is revoked")

    first.close()
    until(lambda: poll_one(second) or len(second.assignment()) == PARTITIONS, "the one who stays owns everything")
    committed = second.committed([TopicPartition(TOPIC, p) for p in range(PARTITIONS)], 10)
    want(sum(p.offset for p in committed), RECORDS, "committed offsets, summed")
    second.close()
    ok("group with %s: join, share, leave, commit" % strategy)


def positions():
    consumer = consumer_in(name("positions"))
    low, high = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), 10)
    want(low, 0, "low watermark")
    consumer.assign([TopicPartition(TOPIC, 0, high - 1)])
    message = until(lambda: poll_one(consumer), "the last message")
    want(message.offset(), high - 1, "offset of the last message")
    want(message.headers(), [("n", message.key().split()[1])], "headers")
    now = int(time.time() * 1000)
    want_true(abs(message.timestamp()[1] - now) < 600_000, "timestamp")

    (found,) = consumer.offsets_for_times([TopicPartition(TOPIC, 0, now - 3_600_000)], 10)
    want(found.offset, 0, "offset an hour ago")
    consumer.seek(TopicPartition(TOPIC, 0, 0))
    want(until(lambda: poll_one(consumer), "a message after seek").offset(), 0, "offset after seek")
    consumer.close()
    ok("watermarks, assign, seek, offsets_for_times, headers")


def codecs():
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        topic = name("codec-" + codec)
        create_topic(topic, 1)
        values = [b"a value that repeats itself " * 20 + b"%d" % i for i in range(300)]
        produce(topic, values, compression_type=codec, linger_ms=50)
        consumer = consumer_in(name("codec"), check_crcs=True)
        consumer.assign([TopicPartition(topic, 0, 0)])
        got = [message.value() for message in read(consumer, len(values))]
        want(got == values, True, "%s: the same values in the same order" % codec)
        consumer.close()
    ok("compression none, gzip, snappy, lz4, zstd, with the checksum checked by the consumer")


def unknown():
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    metadata = producer.list_topics(TOPIC, 10)
    want(sorted(metadata.topics[TOPIC].partitions), list(range(PARTITIONS)), "partitions in the metadata")
    consumer = consumer_in(name("unknown"))
    nowhere = [TopicPartition(TOPIC, 99)]
    want_error(KafkaException, lambda: consumer.get_watermark_offsets(nowhere[0], 5), "watermarks of no partition")
    consumer.close()
    ok("metadata, and an unknown partition is an error")


create_topic(TOPIC, PARTITIONS)
idempotent()
groups("range")
groups("cooperative-sticky")
positions()
codecs()
unknown()
