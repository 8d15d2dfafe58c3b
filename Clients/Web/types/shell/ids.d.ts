/** A version 4 UUID. `crypto.randomUUID` is missing on plain-HTTP addresses other than localhost. */
export function makeId(): string;
