"""The topics of the contract, who may speak on them, and a broker brought to say the same (``hub topics``)."""

from hub.topics.broker import counts as counts
from hub.topics.broker import ensure_topics as ensure_topics
from hub.topics.contract import Topic as Topic
from hub.topics.contract import read_topics as read_topics
