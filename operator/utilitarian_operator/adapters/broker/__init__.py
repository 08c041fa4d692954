"""RabbitMQ and the Celery workers behind it: connections, depths, statistics and remote control."""
