/** Why a message went to the stream `rejected` in place of its own: header `reason`, and a label of the counter. */
export const rejectionReasons = {
  BAD_TOPIC: 'The topic is not prestacop/v1/{fleet}/{droneId}/{kind}, with /{imageId} for pictures and only for them.',
  UNKNOWN_KIND: 'No entry of the message table has this kind, or it is reserved for later.',
  WRONG_DIRECTION: 'This kind goes from the ground to the drone.',
  EMPTY: 'The payload has no bytes.',
  TOO_LARGE: 'The payload is larger than this kind may be.',
  NOT_UTF8: 'The payload is not UTF-8.',
  NOT_JSON: 'The payload is not JSON, or not an object. NaN and Infinity are not JSON.',
  WRONG_VERSION: 'The field v is not 1.',
  ID_MISMATCH: 'droneId or fleet differ from those of the topic.',
  BAD_SEQ: 'seq is not a whole number from 1 on.',
  TIME_IN_SECONDS: 'observedAtMs is too small for milliseconds since 1970.',
  TIME_AHEAD: 'observedAtMs is more than 24 hours after receipt.',
  INVALID: 'A field is missing or out of its range; the header detail names it.',
  NOT_A_PICTURE: 'The payload is neither JPEG nor PNG by its first bytes.',
  WRONG_HASH: "The picture's SHA-256 is not the id in the topic.",
  ADAPTER_FAILED: "The fleet's adapter could not read the payload; the header detail says why.",
} as const;

export type RejectionReason = keyof typeof rejectionReasons;
