// Lets everything that has arrived be seen: two turns of the event loop, since the first may come before the next poll.

export const turn = async (): Promise<void> => {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
};
