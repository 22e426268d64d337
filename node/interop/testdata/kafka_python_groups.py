"""kafka-python: consumer groups, manual and automatic commits, lag, group administration."""

import threading

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from steps import BOOTSTRAP, REPLICAS, name, ok, until, want, want_true

TOPIC = name("events")
PARTITIONS = 4
RECORDS = 100

admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
admin.create_topics([NewTopic(name=TOPIC, num_partitions=PARTITIONS, replication_factor=REPLICAS)])
producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
for i in range(RECORDS):
    producer.send(TOPIC, b"event %d" % i, partition=i % PARTITIONS)
producer.flush(timeout=10)


def consumer_in(group, **settings):
    return KafkaConsumer(
        TOPIC, bootstrap_servers=BOOTSTRAP, group_id=group, auto_offset_reset="earliest", **settings
    )


def read(consumer, count):
    """Polls until count records have come."""
    records = []

    def poll():
        for batch in consumer.poll(timeout_ms=200, max_records=count - len(records)).values():
            records.extend(batch)
        return len(records) >= count

    until(poll, "%d records read" % count)
    return records


def kafka_left(group):
    """How many records the group has yet to read: the end offsets less the committed ones."""
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group)
    partitions = [TopicPartition(TOPIC, p) for p in consumer.partitions_for_topic(TOPIC)]
    ends = consumer.end_offsets(partitions)
    left = sum(ends[tp] - (consumer.committed(tp) or 0) for tp in partitions)
    consumer.close(autocommit=False)
    return left


def manual_commits():
    group = name("manual")
    consumer = consumer_in(group, enable_auto_commit=False)
    want(len({(r.partition, r.offset) for r in read(consumer, 40)}), 40, "distinct records of the first reading")
    want(kafka_left(group), RECORDS, "lag before any commit")
    consumer.commit()
    want(kafka_left(group), RECORDS - 40, "lag after commit()")
    consumer.close()
    ok("manual commit; lag from partitions_for_topic, end_offsets and committed")

    # The next member goes on where the commit stood.
    consumer = consumer_in(group, enable_auto_commit=False)
    read(consumer, RECORDS - 40)
    want(consumer.poll(timeout_ms=500), {}, "records beyond those not committed")
    committed = []
    consumer.commit_async(callback=lambda offsets, error: committed.append(error))
    until(lambda: consumer.poll(timeout_ms=50) == {} and committed, "answer to commit_async")
    want(isinstance(committed[0], Exception), False, "commit_async failed")
    want(kafka_left(group), 0, "lag after commit_async")
    ok("the group resumes at its commit; commit_async")

    zero = TopicPartition(TOPIC, 0)
    consumer.commit({zero: OffsetAndMetadata(7, "back again")})
    want(consumer.committed(zero, metadata=True), OffsetAndMetadata(7, "back again"), "explicit commit with metadata")
    consumer.close()
    ok("an explicit offset with metadata")


def automatic_commits():
    group = name("automatic")
    consumer = consumer_in(group, enable_auto_commit=True, auto_commit_interval_ms=300)
    read(consumer, RECORDS)

    def committed_all():
        consumer.poll(timeout_ms=100)  # the commit goes out between two polls
        return kafka_left(group) == 0

    until(committed_all, "automatic commit by interval")
    consumer.close()

    group = name("automatic-close")
    consumer = consumer_in(group, enable_auto_commit=True, auto_commit_interval_ms=5000)
    read(consumer, RECORDS)
    consumer.close()
    want(kafka_left(group), 0, "lag after a close that commits")
    ok("automatic commits by interval and at close")


def rebalances():
    group = name("rebalances")
    seen, lock, stop, assignments = [], threading.Lock(), threading.Event(), {}

    def member(number, stopped):
        consumer = consumer_in(group, session_timeout_ms=10_000, heartbeat_interval_ms=200)
        while not stopped.is_set():
            for batch in consumer.poll(timeout_ms=100).values():
                with lock:
                    seen.extend((r.partition, r.offset) for r in batch)
            assignments[number] = {tp.partition for tp in consumer.assignment()}
        consumer.close()
        assignments[number] = set()

    first_stops = threading.Event()
    threads = [threading.Thread(target=member, args=(n, e), daemon=True) for n, e in enumerate((first_stops, stop))]
    threads[0].start()
    until(lambda: len(assignments.get(0, ())) == PARTITIONS, "one member owns all partitions")
    threads[1].start()
    until(lambda: len(assignments[0]) == len(assignments.get(1, ())) == PARTITIONS // 2, "two members share")
    want_true(assignments[0].isdisjoint(assignments[1]), "two members own different partitions")
    first_stops.set()
    until(lambda: len(assignments[1]) == PARTITIONS, "the one who stays owns all again")
    stop.set()
    for thread in threads:
        thread.join(15)
    want(len(set(seen)), RECORDS, "distinct records that the group read")
    ok("members join and leave, partitions move")


def administration():
    group = name("manual")
    # (group, protocol type) pairs
    want_true((group, "consumer") in admin.list_consumer_groups(), "list_consumer_groups lists the group")
    offsets = admin.list_consumer_group_offsets(group)
    want(offsets[TopicPartition(TOPIC, 0)], OffsetAndMetadata(7, "back again"), "list_consumer_group_offsets")
    want(len(offsets), PARTITIONS, "partitions with a committed offset")
    ok("list_consumer_groups and list_consumer_group_offsets")

    live = name("described")
    consumer = consumer_in(live, client_id="described-client")
    until(lambda: consumer.poll(timeout_ms=100) is not None and consumer.assignment(), "an assignment")
    (description,) = admin.describe_consumer_groups([live])
    want((description.group, description.state, description.protocol), (live, "Stable", "range"), "description")
    want([m.client_id for m in description.members], ["described-client"], "described members")
    assigned = description.members[0].member_assignment.assignment
    want(assigned, [(TOPIC, list(range(PARTITIONS)))], "described assignment")
    consumer.close()
    (description,) = admin.describe_consumer_groups([live])
    want(description.state, "Empty", "state of a group that everybody left")
    ok("describe_consumer_groups, live and empty")

    (deleted,) = admin.delete_consumer_groups([group])
    want((deleted[0], deleted[1].errno), (group, 0), "delete_consumer_groups")
    want_true((group, "consumer") not in admin.list_consumer_groups(), "a deleted group is not listed")
    ok("delete_consumer_groups")


manual_commits()
automatic_commits()
rebalances()
administration()
