// The memory store keeps the contract; nothing more is promised.
import { systemClock } from '../../src/base/clock.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { storeContract } from './contract.ts';

storeContract('memory', async () => memoryStore(systemClock));
