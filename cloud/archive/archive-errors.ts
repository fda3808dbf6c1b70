import { defineErrors } from '../../core/errors.ts';

/** What stops the archive, or one partition of it, until a person has looked. */
export const archiveErrors = defineErrors('ARCHIVE', {
  LIMITS: {
    message:
      'Stream {stream} was archived with {name} {stored} (archive/{stream}.json), and not {wanted}: other values would make other objects',
  },
  TIME_ZONE: { misuse: true, message: 'ARCHIVE_TIME_ZONE {timeZone} is not a time zone that this system knows' },
  DIFFERS: { message: '{object} holds something else than the log from {from} to {next} (exclusive)' },
  POSITION: {
    message:
      'Stream {stream} partition {partition}: the log lacks or has changed the offsets {from} to {to} (exclusive; {reason}), behind which the archive stands',
  },
  WRITING: { message: '{object} cannot be written now: {reason}', retryable: true },
  MANIFEST: { message: 'The manifest entry {object} cannot be read' },
  PICTURE_DAMAGED: { message: 'The picture {imageId} at position {position} of {pack} is damaged: {reason}' },
  CHANGED: {
    message: 'Stream {stream} partition {partition}: the log gave other records when {from} to {next} was read again',
  },
});
