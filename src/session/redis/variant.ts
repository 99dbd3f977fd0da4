/** The only kind of connection to a Redis server so far: RESP2, with the pool's database and password. */
export const VARIANT = 0;
