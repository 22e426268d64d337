"""kafka-python: every compression codec, one batch of many records and one large record."""

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import MessageSizeTooLargeError

from steps import BOOTSTRAP, REPLICAS, name, ok, want, want_error

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
RECORDS = 500

admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def round_trip(codec):
    topic = name("codec-%s" % (codec or "none"))
    admin.create_topics([NewTopic(name=topic, num_partitions=1, replication_factor=REPLICAS)])
    producer = KafkaProducer(
        bootstrap_servers=BOOTSTRAP,
        compression_type=codec,
        linger_ms=100,
        batch_size=1 << 16,
        max_request_size=1 << 22,
        api_version=(2, 5, 0),  # the client refuses zstd for brokers that it takes for older ones
    )
    sent = [b"record %d of some length " % i * 4 for i in range(RECORDS)] + [b"large " * 100_000]
    for value in sent:
        producer.send(topic, value, key=b"key")
    producer.flush(timeout=30)

    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, fetch_max_bytes=1 << 24, consumer_timeout_ms=10_000)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek_to_beginning()
    got = []
    while len(got) < len(sent):
        got.append(next(consumer).value)
    want(got == sent, True, "%s: the same values in the same order" % codec)
    ok("compression %s: %d records" % (codec, len(sent)))
    producer.close()
    consumer.close()


def too_large():
    topic = name("too-large")
    admin.create_topics([NewTopic(name=topic, num_partitions=1, replication_factor=REPLICAS)])
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, max_request_size=1 << 24, buffer_memory=1 << 25)
    send = lambda: producer.send(topic, b"x" * (2 << 20)).get(timeout=10)
    want_error(MessageSizeTooLargeError, send, "a record above max.message.bytes")
    want(producer.send(topic, b"small").get(timeout=10).offset, 0, "offset after a refused record")
    ok("a record above max.message.bytes is refused and leaves no trace")


for codec in CODECS:
    round_trip(codec)
too_large()
