"""librdkafka's idempotent producer under a steady load: numbers from 0, over the partitions in turn, until a line comes
on standard input. It tells how far it is, and at the end what became of it all."""

import select
import sys
import time

from confluent_kafka import Producer

bootstrap, topic, partitions = sys.argv[1], sys.argv[2], int(sys.argv[3])
acknowledged = failed = 0
longest = 0.0  # seconds between two answers of one partition
last = {}
fatal = []


def answered(error, message):
    global acknowledged, failed, longest
    if error:
        failed += 1
        print("error", error, flush=True)
        return
    now = time.monotonic()
    longest = max(longest, now - last.get(message.partition(), now))
    last[message.partition()] = now
    acknowledged += 1
    if acknowledged % 100 == 0:
        print("acknowledged", acknowledged, flush=True)


producer = Producer({
    "bootstrap.servers": bootstrap,
    "enable.idempotence": True,  # acks=all with it
    "error_cb": lambda error: fatal.append(error) if error.fatal() else None,
})
sent = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        producer.produce(topic, b"%d" % sent, partition=sent % partitions, on_delivery=answered)
        sent += 1
    except BufferError:  # the queue is full: wait for answers
        producer.poll(0.1)
    producer.poll(0)
    if sent % 4 == 0:
        time.sleep(0.002)
left = producer.flush(60)
print(f"done sent={sent} acknowledged={acknowledged} failed={failed + left + len(fatal)} "
      f"longest_ms={int(longest * 1000)}", flush=True)
sys.exit(1 if failed + left + len(fatal) else 0)
